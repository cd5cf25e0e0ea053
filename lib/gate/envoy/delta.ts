import type { Resource, Resources } from "./resources.ts";

/** What one side of a delta stream tells the other about a type. */
export interface Delta {
  resources: Resource[];
  removed: string[];
}

/**
 * What an Envoy that has the versions `known` must be told to have what is `wanted`.
 *
 * @param subscribed names it asked for; `"*"` is all
 * @param kept of what it has and is not wanted: what it keeps all the same
 */
export function deltaOf(
  known: ReadonlyMap<string, string>,
  wanted: Resources,
  subscribed: "*" | ReadonlySet<string>,
  kept: (name: string) => boolean,
): Delta {
  const resources: Resource[] = [];
  const names = subscribed === "*" ? wanted.keys() : subscribed;
  for (const name of names) {
    const resource = wanted.get(name);
    if (resource && known.get(name) !== resource.version) resources.push(resource);
  }
  return { resources, removed: [...known.keys()].filter((name) => !wanted.has(name) && !kept(name)) };
}
