/** What stands at a place of an object as it came; `undefined` where nothing does, whatever its form. */
export function valueAt(object: unknown, ...path: readonly (string | number)[]): unknown {
  let at = object;
  for (const part of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}

export function textAt(object: unknown, ...path: readonly (string | number)[]): string | undefined {
  const value = valueAt(object, ...path);
  return typeof value === "string" ? value : undefined;
}

export function numberAt(object: unknown, ...path: readonly (string | number)[]): number | undefined {
  const value = valueAt(object, ...path);
  return typeof value === "number" ? value : undefined;
}

export function listAt(object: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const value = valueAt(object, ...path);
  return Array.isArray(value) ? value : [];
}

/** Texts alone; what is no text is left out. */
export function textsAt(object: unknown, ...path: readonly (string | number)[]): readonly string[] {
  return listAt(object, ...path).filter((value) => typeof value === "string");
}
