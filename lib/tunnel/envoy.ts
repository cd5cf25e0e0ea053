import type { TunnelOptions } from "./engine.ts";
import { LOOPBACK } from "./loopback.ts";
import { SPOOFABLE_HEADERS } from "./request_headers.ts";
import { TUNNEL_PREFIX } from "./route.ts";

/** Envoy's `static_resources`, as much of it as says the tunnel's end; plain JSON of the v3 API. */
export interface EnvoyResources {
  listeners: Record<string, unknown>[];
  clusters: Record<string, unknown>[];
}

const TYPE = "type.googleapis.com/envoy";
const PORT = 15_009;
const MAX_STREAMS = 256;
const MAX_HEADER_KIB = 64;
const FIRST_REQUEST_MS = 10_000;
/** What a tunnel holds of an upload that its app does not take; Envoy's default is 16 MiB and more. */
const STREAM_WINDOW_BYTES = 524_288;
const CONNECTION_WINDOW_BYTES = 16_777_216;
const BUFFER_BYTES = 262_144;
/** Envoy's own limit of 1,024 a cluster would be one of tunnels. */
const MOST_TUNNELS = 65_536;
/** The listener's name, to find its port by. */
export const ENVOY_LISTENER = "hbone_end";

/**
 * The tunnel's end said to Envoy: the same routes and refusals as krun's own, for `ISTIO_BOOTSTRAP_OVERRIDE` or a bootstrap of one's own.
 * Use it only where {@link envoyKeepsTunnelEnds} says so. `workers` is Envoy's own affair (`--concurrency`).
 */
export function envoyTunnelOverride(options: TunnelOptions): EnvoyResources {
  const ports = [...new Set(options.routes.values())];
  return {
    listeners: [listener(options)],
    clusters: [
      ...ports.map((port) => cluster(tunnelCluster(port), port)),
      ...[APP_CLUSTER, GRPC_CLUSTER].map((name) => cluster(name, options.appPort)),
    ],
  };
}

const APP_CLUSTER = "hbone_app";
/** The same app as h2c: gRPC is HTTP/2 end to end. */
const GRPC_CLUSTER = "hbone_app_grpc";

function tunnelCluster(port: number): string {
  return `hbone_${port}`;
}

function listener(options: TunnelOptions): Record<string, unknown> {
  const connectionManager = {
    "@type": `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "hbone",
    codec_type: "AUTO",
    http2_protocol_options: {
      allow_connect: true,
      max_concurrent_streams: MAX_STREAMS,
      initial_stream_window_size: STREAM_WINDOW_BYTES,
      initial_connection_window_size: CONNECTION_WINDOW_BYTES,
    },
    max_request_headers_kb: MAX_HEADER_KIB,
    stream_idle_timeout: "0s",
    request_headers_timeout: `${(options.limits?.firstRequestMs ?? FIRST_REQUEST_MS) / 1_000}s`,
    upgrade_configs: [{ upgrade_type: "websocket" }],
    http_filters: [
      { name: "envoy.filters.http.header_mutation", typed_config: headerMutation() },
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": `${TYPE}.extensions.filters.http.router.v3.Router` },
      },
    ],
    route_config: { name: "hbone", virtual_hosts: [{ name: "all", domains: ["*"], routes: routes(options.routes) }] },
  };
  return {
    name: ENVOY_LISTENER,
    address: {
      socket_address: {
        address: options.hostname ?? "::",
        port_value: options.port ?? PORT,
        ipv4_compat: !options.hostname,
      },
    },
    per_connection_buffer_limit_bytes: BUFFER_BYTES,
    filter_chains: [{
      filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: connectionManager }],
    }],
  };
}

function routes(tunnels: ReadonlyMap<string, number>): Record<string, unknown>[] {
  const post = [{ name: ":method", string_match: { exact: "POST" } }];
  const paths = [...tunnels].map(([name, port]) => ({ path: `${TUNNEL_PREFIX}${name}`, port }));
  return [
    ...paths.map(({ path, port }) => ({
      match: { path, headers: post },
      route: {
        cluster: tunnelCluster(port),
        timeout: "0s",
        upgrade_configs: [{ upgrade_type: "CONNECT", connect_config: { allow_post: true } }],
      },
    })),
    ...paths.map(({ path }) => ({ match: { path }, direct_response: refusal(405, "a tunnel is opened by POST\n") })),
    {
      match: { prefix: TUNNEL_PREFIX },
      direct_response: refusal(404, "no such tunnel: the port is not declared (PORT_<name>)\n"),
    },
    {
      match: { prefix: "/", headers: [{ name: "content-type", string_match: { prefix: "application/grpc" } }] },
      route: { cluster: GRPC_CLUSTER, timeout: "0s" },
    },
    { match: { prefix: "/" }, route: { cluster: APP_CLUSTER, timeout: "0s" } },
  ];
}

function refusal(status: number, text: string): Record<string, unknown> {
  return { status, body: { inline_string: text } };
}

/** Removed before routing, so that no `x-envoy-*` header of a caller's steers this Envoy either. */
function headerMutation(): Record<string, unknown> {
  const mutations = SPOOFABLE_HEADERS.map(([name]) => ({
    remove_on_match: { key_matcher: name.endsWith("*") ? { prefix: name.slice(0, -1) } : { exact: name } },
  }));
  return {
    "@type": `${TYPE}.extensions.filters.http.header_mutation.v3.HeaderMutation`,
    mutations: { request_mutations: mutations },
  };
}

function cluster(name: string, port: number): Record<string, unknown> {
  const address = { socket_address: { address: LOOPBACK, port_value: port } };
  return {
    name,
    type: "STATIC",
    connect_timeout: "5s",
    per_connection_buffer_limit_bytes: BUFFER_BYTES,
    circuit_breakers: {
      thresholds: [{ max_connections: MOST_TUNNELS, max_pending_requests: MOST_TUNNELS, max_requests: MOST_TUNNELS }],
    },
    ...name === GRPC_CLUSTER && {
      typed_extension_protocol_options: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
          "@type": `${TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions`,
          explicit_http_config: { http2_protocol_options: {} },
        },
      },
    },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}
