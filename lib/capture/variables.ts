import { UsageError } from "../base/errors.ts";
import { parseRange, type Range } from "./address.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The first of `names` that is there, as `read` takes it.
 * @throws {UsageError} naming the variable
 */
export function own<T>(variables: Variables, names: readonly string[], read: (text: string) => T): T | undefined {
  const name = names.find((name) => variables[name] !== undefined);
  const text = name === undefined ? undefined : variables[name];
  if (name === undefined || text === undefined) return undefined;
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError({
      tried: `read ${name} for the rules of iptables`,
      got: `"${text}"`,
      fix: `give ${error.message}`,
    });
  }
}

/** The parts of a list between commas; empty ones are left out. */
export function words(text: string): string[] {
  return text.split(",").map((word) => word.trim()).filter((word) => word !== "");
}

/** @throws {RangeError} */
export function parseRanges(text: string): Range[] {
  return words(text).map(parseRange);
}

/** Ports and ranges of ports `from:to`, both ends meant. @throws {RangeError} */
export function ports(text: string): string[] {
  return words(text).map((word) => {
    const ends = word.split(":").map((end) => /^\d{1,5}$/.test(end) ? Number(end) : NaN);
    const [from = NaN, to = from] = ends;
    if (ends.length <= 2 && from >= 1 && to <= 65_535 && from <= to) return ends.join(":");
    throw new RangeError(`ports from 1 to 65535, or from:to, instead of "${word}"`);
  });
}

/** Names of interfaces; a `+` at the end stands for any rest, as in iptables. @throws {RangeError} */
export function names(text: string): string[] {
  return words(text).map((word) => {
    // IFNAMSIZ leaves 15 characters. No sign of iptables' own grammar may begin one.
    if (/^[A-Za-z0-9_.@:][A-Za-z0-9_.@:-]{0,14}\+?$/.test(word) && word.length <= 15) return word;
    throw new RangeError(`names of interfaces instead of "${word}"`);
  });
}

/** Reads a group by number, or by its name in `file` (/etc/group): the rules in the kernel have numbers. */
export function readGroups(file: string): (text: string) => string {
  const known = new Map(
    file.split("\n").map((line) => line.split(":")).map(([name = "", , number = ""]) => [name, number]),
  );
  return (text) => {
    if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1) return String(Number(text));
    const number = known.get(text);
    if (number) return number;
    throw new RangeError(`groups by number, or by a name of /etc/group, instead of "${text}"`);
  };
}
