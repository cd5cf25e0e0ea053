/** Whether two revisions are the same, and what a field mask does. */
import type { RunRevisionResource, RunTemplateResource } from "./cloud_run_types.ts";

/** What makes a revision another one. */
export function bare(of: RunTemplateResource | RunRevisionResource): Record<string, unknown> {
  const own = ["name", "uid", "generation", "createTime", "service", "conditions", "revision"];
  return Object.fromEntries(Object.entries(of).filter(([key]) => !own.includes(key)));
}

/** Whatever the order of fields. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, item]) => item !== undefined).sort(([a], [b]) => a < b ? -1 : 1)
      .map(([key, item]) => [key, sorted(item)]),
  );
}

/** What `path` of `into` is in `from`. */
export function replace(
  into: Record<string, unknown>,
  from: Record<string, unknown>,
  [head = "", ...rest]: string[],
): void {
  const value = from[head];
  if (rest.length > 0) {
    const inner = { ...(into[head] as Record<string, unknown> | undefined) };
    replace(inner, (value ?? {}) as Record<string, unknown>, rest);
    into[head] = inner;
  } else if (value === undefined || value === null) delete into[head];
  else into[head] = structuredClone(value);
}

/** What has its type's default is left out of JSON: https://protobuf.dev/programming-guides/json/#presence. Values of maps are not fields. */
export function withoutDefaults(value: unknown, isMap = false): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutDefaults(item));
  if (typeof value !== "object" || value === null) return value;
  const isDefault = (member: unknown) =>
    member === null || member === 0 || member === "" || member === false ||
    (Array.isArray(member) && member.length === 0);
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => isMap || !isDefault(member))
      .map(([key, member]) => [key, withoutDefaults(member, /^(?:labels|annotations|limits)$/.test(key))]),
  );
}
