import { isIPv4, isIPv6 } from "node:net";
import type { Family } from "./family.ts";

/** A range of addresses in the form iptables prints it: without host bits, IPv6 shortened as RFC 5952 says. */
export interface Range {
  readonly family: Family;
  /** e.g. `10.0.0.0/8`, `fd00::/8`. */
  readonly text: string;
  /** Whether it begins at an address of the loopback (127.0.0.0/8, ::1). */
  readonly loopback: boolean;
}

/**
 * Reads `10.0.0.0/8` or `fd00::/8`; an address alone is a range of one.
 * @throws {RangeError} with what is expected instead
 */
export function parseRange(text: string): Range {
  const [address = "", length, ...more] = text.trim().split("/");
  const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes("%") ? 6 : undefined;
  const bits = family === 6 ? 128 : 32;
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : NaN;
  if (!family || more.length > 0 || !(prefix <= bits)) {
    throw new RangeError(`a range such as 10.0.0.0/8 or fd00::/8 instead of "${text.trim()}"`);
  }
  const value = toInteger(address, family);
  const mask = ((1n << BigInt(prefix)) - 1n) << BigInt(bits - prefix);
  return {
    family,
    text: `${toText(value & mask, family)}/${prefix}`,
    loopback: family === 4 ? value >> 24n === 127n : value === 1n,
  };
}

function toInteger(address: string, family: Family): bigint {
  if (family === 4) return fold(address.split(".").map(BigInt), 8n);
  // The last 32 bits may be written as an IPv4 address; the URL parser makes groups of them.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string | undefined) => part ? part.split(":").map((group) => BigInt(`0x${group}`)) : [];
  const [before, after] = [groups(head), groups(tail)];
  const gap = Array.from({ length: 8 - before.length - after.length }, () => 0n);
  return fold([...before, ...gap, ...after], 16n);
}

function toText(value: bigint, family: Family): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => ((value >> BigInt(112 - 16 * at)) & 0xffffn).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function fold(parts: readonly bigint[], width: bigint): bigint {
  return parts.reduce((sum, part) => (sum << width) | part, 0n);
}
