/** What a cluster of Envoy's is for: each kind is reached from the port of its own only. */
export const CLUSTER_KINDS = ["tunnel", "istiod", "pass"] as const;
export type ClusterKind = (typeof CLUSTER_KINDS)[number];

/** The cluster that a server name leads to; the listeners make the same name of what a ClientHello asks for. */
export function clusterName(kind: ClusterKind, serverName: string): string {
  return `${kind}/${serverName}`;
}

/** Envoy's static cluster that leads to hgate: configuration and access log. */
export const HGATE_CLUSTER = "hgate";
/** Namespace of what a cluster says of itself, read by the listeners. */
export const METADATA = "hgate";
/** Where almost every tunnel leads to. */
export const DEFAULT_PATH = "/_hbone/15003";
export const DEFAULT_IDLE_MS = 3_600_000;
