/** What certificates need of DER, the encoding of ASN.1 (ITU-T X.690). */
import { Buffer } from "node:buffer";

/** Identifier octets; the last three are tags of the context, whose meaning the surrounding type gives. */
const Tag = {
  BOOLEAN: 1,
  INTEGER: 2,
  BIT_STRING: 3,
  OCTET_STRING: 4,
  OID: 6,
  UTF8: 12,
  UTC_TIME: 23,
  TIME: 24,
} as const;
const SEQUENCE = 0x30, SET = 0x31, CONTEXT = 0x80, CONSTRUCTED = 0x20;

function element(tag: number, ...content: Uint8Array[]): Uint8Array {
  const bytes = Buffer.concat(content);
  if (bytes.length < 0x80) return Buffer.concat([Buffer.of(tag, bytes.length), bytes]);
  const hex = bytes.length.toString(16);
  const length = Buffer.from(hex.padStart(hex.length + hex.length % 2, "0"), "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, bytes]);
}

export const sequence = (...parts: Uint8Array[]): Uint8Array => element(SEQUENCE, ...parts);
export const set = (...parts: Uint8Array[]): Uint8Array => element(SET, ...parts);
export const boolean = (value: boolean): Uint8Array => element(Tag.BOOLEAN, Buffer.of(value ? 0xff : 0));
export const utf8 = (text: string): Uint8Array => element(Tag.UTF8, Buffer.from(text));
export const octets = (bytes: Uint8Array): Uint8Array => element(Tag.OCTET_STRING, bytes);

/** @param bytes big-endian; positive while the first is below 0x80 */
export const integer = (...bytes: number[]): Uint8Array => element(Tag.INTEGER, Buffer.from(bytes));

/** @param unusedBits of the last byte */
export const bits = (bytes: Uint8Array, unusedBits = 0): Uint8Array =>
  element(Tag.BIT_STRING, Buffer.of(unusedBits), bytes);

/** `[number]` around other elements, or in place of the type of `content`. */
export const tagged = (number: number, kind: "constructed" | "primitive", content: Uint8Array): Uint8Array =>
  element(CONTEXT | number | (kind === "constructed" ? CONSTRUCTED : 0), content);

/** @param dotted such as `2.5.4.3` */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = rest.flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift(left & 0x7f | 0x80);
    return groups;
  });
  return element(Tag.OID, Buffer.of(first * 40 + second, ...bytes));
}

/** With two digits for the year until 2049, as RFC 5280 section 4.1.2.5 wants. */
export function time(date: Date): Uint8Array {
  const digits = date.toISOString().slice(0, 19).replace(/\D/g, "");
  return date.getUTCFullYear() < 2050
    ? element(Tag.UTC_TIME, Buffer.from(`${digits.slice(2)}Z`))
    : element(Tag.TIME, Buffer.from(`${digits}Z`));
}

export function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
