import type { GkeCluster } from "../gcp/mod.ts";

export interface Preference {
  /** Region of the workload. */
  region?: string | undefined;
  name?: string | undefined;
  /** Region or zone. */
  location?: string | undefined;
}

/**
 * Which clusters to try, the best first: only RUNNING ones, or the one that is named, whatever it is doing (an upgrade is RECONCILING);
 * same region before others, then those labelled `mesh_id`, then those whose names start with `istio`, then by name.
 */
export function orderClusters(clusters: readonly GkeCluster[], preference: Preference): GkeCluster[] {
  const rank = (cluster: GkeCluster) => [
    inRegion(cluster.location, preference.region) ? 0 : 1,
    cluster.resourceLabels["mesh_id"] ? 0 : 1,
    cluster.name.startsWith("istio") ? 0 : 1,
  ];
  return clusters
    .filter((cluster) => preference.name !== undefined || cluster.status === "RUNNING")
    .filter((cluster) => !preference.name || cluster.name === preference.name)
    .filter((cluster) => !preference.location || cluster.location === preference.location)
    .map((cluster) => ({ cluster, rank: rank(cluster) }))
    .sort((a, b) =>
      a.rank.map((value, at) => value - b.rank[at]!).find((difference) => difference !== 0) ??
        (a.cluster.name < b.cluster.name ? -1 : a.cluster.name > b.cluster.name ? 1 : 0)
    )
    .map(({ cluster }) => cluster);
}

/** A zone is its region's name, a dash and a letter: `us-central1-c`. */
export function inRegion(location: string, region: string | undefined): boolean {
  return region !== undefined && (location === region || location.replace(/-[a-z]$/, "") === region);
}
