/** The type URL of an Envoy message, e.g. `typeUrl("config.route.v3.ScopedRouteConfiguration")`. */
export function typeUrl(message: string): string {
  return `type.googleapis.com/envoy.${message}`;
}

/** The port of the HTTP proxy; the one that Istio's own whitebox mode and the original krun used. */
export const DEFAULT_PROXY_PORT = 15007;

/**
 * Request headers by which the Lua filter tells the filters behind it what it decided. They are taken off everything that comes in and everything
 * that goes out.
 */
export const HEADERS = {
  /** The scope, i.e. the route configuration, that the request is routed by. */
  scope: "x-krun-scope",
  /** The cluster of an opaque TCP service; the scope is then {@link SCOPES.cluster}. */
  cluster: "x-krun-cluster",
  /** Host and port that a CONNECT asked for; seen by the requests inside the tunnel. */
  tunnel: "x-krun-tunnel",
} as const;

/** Scopes beside those of the mesh's ports; their routes stand in the scopes file itself. */
export const SCOPES = {
  /** A host outside the mesh, resolved when it is asked for. */
  outside: "outside",
  /** A host outside a mesh that lets nothing out (`outboundTrafficPolicy: REGISTRY_ONLY`): 502, as Istio answers. */
  blocked: "blocked",
  /** CONNECT to an HTTP service of the mesh: what is inside the tunnel is routed by the mesh's routes. */
  tunnel: "tunnel",
  /** Straight to the cluster named in {@link HEADERS.cluster}. */
  cluster: "cluster",
} as const;

/** Clusters and listeners of our own in the sidecar's Envoy. */
export const RESOURCES = {
  proxy: "krun_http_proxy",
  /** Internal listener, and the cluster that leads to it: what is inside a CONNECT. */
  tunnel: "krun_tunnel",
  /** No such cluster: a connection that is sent there is closed. */
  nowhere: "krun_nowhere",
  outside: "krun_outside",
  lua: "krun_lua",
  scopes: "krun_scopes",
} as const;

/** Filter state by which the internal listener knows where its connection was meant to go. */
export const STATES = {
  /** Host and port as the client gave them. */
  tunnel: "krun.tunnel",
  /** The service's cluster, for what turns out not to be HTTP. */
  cluster: "krun.cluster",
} as const;

/** Filter state that Envoy's `tcp_proxy` takes its cluster from, before its configuration. */
export const TCP_CLUSTER_STATE = "envoy.tcp_proxy.cluster";
