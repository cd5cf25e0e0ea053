import type { Difference } from "./step.ts";

/**
 * Where two JSON values differ, in the order of `to`'s fields, then of what is only in `from`. Lists are compared place by place.
 * What is new is one difference for each of its leaves, so that a reader sees names and values; a list of plain values is a leaf. Of what
 * goes there is one for all of it, unless all goes.
 */
export function differencesOf(from: unknown, to: unknown, path = ""): Difference[] {
  if (isList(from) && isList(to)) {
    return Array.from({ length: Math.max(from.length, to.length) })
      .flatMap((_, at) => differencesOf(from[at], to[at], `${path}[${at}]`));
  }
  if (isDeep(to) && from === undefined) return differencesOf([], to, path);
  if ((isObject(from) || from === undefined) && isObject(to) && Object.keys(to).length > 0) {
    const before = from ?? {};
    const gone = Object.keys(before).filter((key) => !Object.hasOwn(to, key));
    return [...Object.keys(to), ...gone].flatMap((key) =>
      differencesOf(own(before, key), own(to, key), join(path, key))
    );
  }
  if (isObject(from) && to === undefined && path === "") {
    return Object.keys(from).flatMap((key) => differencesOf(from[key], undefined, join(path, key)));
  }
  if (isSame(from, to)) return [];
  return [{ path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }];
}

/** Not what every object has, as `constructor`. */
function own(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** `a.b`; `a["b.c"]` where the name would be read as two. */
function join(path: string, key: string): string {
  if (/^[\w-]+$/.test(key)) return path ? `${path}.${key}` : key;
  return `${path}[${JSON.stringify(key)}]`;
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b));
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

/** A list of more than plain values. */
function isDeep(value: unknown): value is unknown[] {
  return isList(value) && value.some((member) => typeof member === "object" && member !== null);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
