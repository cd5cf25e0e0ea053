import { UsageError } from "../base/errors.ts";

/** Where values come from, the strongest first. */
export const SOURCES = [
  "flag",
  "environment",
  "kubeconfig",
  "in-cluster account",
  "metadata server",
  "project label",
  "GKE API",
  "mesh-env of the namespace",
  "mesh-env of istio-system",
  "default",
] as const;

export type Source = typeof SOURCES[number];

/** One setting: the variable that carries it in every source, how its text is read, and what it is without any. */
export interface Setting<T> {
  /** The variable's name, in the environment and in mesh-env alike. */
  readonly variable: string;
  /** Long option of the command line, without its dashes. */
  readonly flag?: string;
  readonly help: string;
  /** Shown masked, never logged. */
  readonly secret?: boolean;
  readonly fallback: T;
  /** @throws {RangeError} with what is expected instead */
  readonly parse: (text: string) => T;
}

type Extra = { flag?: string; secret?: boolean };

export function text(variable: string, help: string, extra?: Extra): Setting<string | undefined>;
export function text(variable: string, help: string, extra: Extra & { fallback: string }): Setting<string>;
export function text(
  variable: string,
  help: string,
  extra: Extra & { fallback?: string } = {},
): Setting<string | undefined> {
  return { variable, help, fallback: extra.fallback, parse: (value) => value, ...flags(extra) };
}

export function integer(
  variable: string,
  help: string,
  range: { from: number; to: number },
  extra?: Extra,
): Setting<number | undefined>;
export function integer(
  variable: string,
  help: string,
  range: { from: number; to: number },
  extra: Extra & { fallback: number },
): Setting<number>;
export function integer(
  variable: string,
  help: string,
  range: { from: number; to: number },
  extra: Extra & { fallback?: number } = {},
): Setting<number | undefined> {
  return { variable, help, fallback: extra.fallback, parse: (value) => parseInteger(value, range), ...flags(extra) };
}

export function toggle(variable: string, help: string, extra?: Extra): Setting<boolean | undefined>;
export function toggle(variable: string, help: string, extra: Extra & { fallback: boolean }): Setting<boolean>;
export function toggle(
  variable: string,
  help: string,
  extra: Extra & { fallback?: boolean } = {},
): Setting<boolean | undefined> {
  const parse = (value: string) => {
    if (/^(1|true|yes|on)$/i.test(value)) return true;
    if (/^(0|false|no|off)$/i.test(value)) return false;
    throw new RangeError("true or false");
  };
  return { variable, help, fallback: extra.fallback, parse, ...flags(extra) };
}

export function choice<const T extends string>(
  variable: string,
  help: string,
  words: readonly T[],
  extra: Extra & { fallback: NoInfer<T> },
): Setting<T> {
  const parse = (value: string) => {
    const word = words.find((word) => word === value.toLowerCase());
    if (!word) throw new RangeError(`one of ${words.join(", ")}`);
    return word;
  };
  return { variable, help, fallback: extra.fallback, parse, ...flags(extra) };
}

/** @throws {RangeError} */
export function parseInteger(value: string, range: { from: number; to: number }): number {
  const number = Number(value);
  if (!/^-?\d+$/.test(value.trim()) || number < range.from || number > range.to) {
    throw new RangeError(`a whole number from ${range.from} to ${range.to}`);
  }
  return number;
}

/** Reads `value` as `setting` wants it. @throws {UsageError} naming the variable and its source */
export function parseSetting<T>(setting: Setting<T>, value: string, origin: string): T {
  try {
    return setting.parse(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError({
      tried: `read setting ${setting.variable} from ${origin}`,
      got: setting.secret ? "a value that does not fit" : `"${value}"`,
      fix: `give ${error.message}`,
    });
  }
}

function flags(extra: Extra): Extra {
  return { ...(extra.flag ? { flag: extra.flag } : {}), ...(extra.secret ? { secret: true } : {}) };
}
