import { type Field, STATIC_TABLE } from "./static_table.ts";

const INDEX_OF_FIELD: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(([name, value], i) => [`${name}\0${value}`, i + 1]),
);
const INDEX_OF_NAME: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(([name], i): [string, number] => [name, i + 1]).reverse(),
);

/** Fields that must not enter a compression table anywhere on the way (RFC 7541 section 7.1.3). */
const NEVER_INDEXED: ReadonlySet<string> = new Set(["authorization", "cookie", "set-cookie", "proxy-authorization"]);

/** A table size update to 0: a peer that wants a smaller table than the default must be told that it has one (RFC 7541 section 4.2). */
export const NO_TABLE = 0x20;

/**
 * A header block without dynamic table and without Huffman: our answers are a few short fields, and an encoder
 * without state cannot get out of step. Characters above 255 lose their upper bits.
 */
export function encodeFields(fields: readonly Field[]): Uint8Array {
  const out: number[] = [];
  for (const [name, value] of fields) {
    const whole = INDEX_OF_FIELD.get(`${name}\0${value}`);
    if (whole) {
      pushInteger(out, 0x80, 7, whole);
      continue;
    }
    const known = INDEX_OF_NAME.get(name) ?? 0;
    pushInteger(out, NEVER_INDEXED.has(name) ? 0x10 : 0, 4, known);
    if (!known) pushText(out, name);
    pushText(out, value);
  }
  return Uint8Array.from(out);
}

function pushText(out: number[], text: string): void {
  pushInteger(out, 0, 7, text.length);
  for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i) & 0xff);
}

function pushInteger(out: number[], pattern: number, prefixBits: number, value: number): void {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    out.push(pattern | value);
    return;
  }
  out.push(pattern | mask);
  for (value -= mask; value >= 0x80; value >>>= 7) out.push(value & 0x7f | 0x80);
  out.push(value);
}
