/**
 * A value of Cloud Run's API as it can be compared with what comes back: numbers that are 0, texts and lists that are empty and what is false
 * are left out of JSON (https://protobuf.dev/programming-guides/json/#presence), processors may be said in thousandths, and a project by its
 * number.
 */
export function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, spelled(key, comparable(member))] as const);
  return Object.fromEntries(entries.filter(([, member]) => !isDefault(member)));
}

/** An object without fields is something: `emptyDir: {}`. */
function isDefault(value: unknown): boolean {
  return value === undefined || value === null || value === 0 || value === "" || value === false ||
    (Array.isArray(value) && value.length === 0);
}

function spelled(key: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (key === "cpu" && /^\d+m$/.test(value)) return String(Number.parseInt(value) / 1_000);
  return key === "connector" ? value.replace(/^projects\/[^/]+\//, "") : value;
}
