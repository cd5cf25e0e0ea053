import type { GateOptions, TunnelRoute } from "../route.ts";
import { type ClusterKind, clusterName, DEFAULT_IDLE_MS, DEFAULT_PATH, HGATE_CLUSTER, METADATA } from "./names.ts";
import { type JsonObject, TYPE_URL } from "./protobuf.ts";

const TYPE = `${TYPE_URL}envoy`;
/** A ClientHello that is not there by then is none. */
const HELLO_MS = 5_000;
/** Room for post-quantum key shares; a hello is bounded by its one or two records. */
const MAX_HELLO_BYTES = 16_384;
const BUFFER_BYTES = 262_144;
/** Shared by a flush of the access log's; small, since a refused token is learnt of by it. */
const LOG_FLUSH = "0.02s";
const LOG_BUFFER_BYTES = 16_384;
/** Ten thousand streams tell of themselves a thousand times a second then. */
const OPEN_STREAMS_MS = 10_000;

/** The listeners' names, to find their ports by. */
export const LISTENERS = { tunnels: "tunnels", istiod: "istiod", services: "services" } as const;

export interface ListenerOptions {
  ports: GateOptions["ports"];
  /** Address to listen on; "::" takes both families. */
  hostname: string;
  /** From accept to the end of the ClientHello. @default {5000} */
  helloMs?: number | undefined;
  /** How often a stream that goes on tells of its bytes. @default {10000} */
  openStreamsMs?: number | undefined;
}

/** A tunnel's way that is not the usual one; it takes a filter chain of its own. */
interface Chain {
  path: string;
  idleMs: number;
}

/**
 * The gate's listeners by name. They take the cluster from the name that is asked for, so they say nothing of what is registered and do
 * not change with it. Only a route with a path or idle timeout of its own gets a filter chain: Envoy replaces single chains, and the
 * streams of all others go on.
 */
export function gateListeners(options: ListenerOptions, tunnels: readonly TunnelRoute[]): Map<string, JsonObject> {
  const { ports } = options;
  const listeners = new Map([
    [
      LISTENERS.tunnels as string,
      listener(options, LISTENERS.tunnels, "tunnel", ports.tunnels, ownChains(options, tunnels)),
    ],
    [LISTENERS.istiod as string, listener(options, LISTENERS.istiod, "istiod", ports.istiod, [])],
  ]);
  if (ports.services !== undefined) {
    listeners.set(LISTENERS.services, listener(options, LISTENERS.services, "pass", ports.services, []));
  }
  return listeners;
}

function ownChains(options: ListenerOptions, tunnels: readonly TunnelRoute[]): JsonObject[] {
  const seen = new Set<string>();
  return tunnels.flatMap(({ path, limits, serverNames }) =>
    serverNames.filter((name) => !seen.has(name) && seen.add(name))
      .filter(() => path !== DEFAULT_PATH || limits.idleTimeoutMs !== DEFAULT_IDLE_MS)
      .map((name) => ({
        name,
        filter_chain_match: { server_names: [name] },
        filters: filters(options, LISTENERS.tunnels, "tunnel", { path, idleMs: limits.idleTimeoutMs }),
      }))
  );
}

function listener(
  options: ListenerOptions,
  name: string,
  kind: ClusterKind,
  port: number,
  chains: readonly JsonObject[],
): JsonObject {
  return {
    name,
    address: {
      socket_address: { address: options.hostname, port_value: port, ipv4_compat: options.hostname === "::" },
    },
    per_connection_buffer_limit_bytes: BUFFER_BYTES,
    listener_filters_timeout: `${(options.helloMs ?? HELLO_MS) / 1_000}s`,
    listener_filters: [{
      name: "envoy.filters.listener.tls_inspector",
      typed_config: {
        "@type": `${TYPE}.extensions.filters.listener.tls_inspector.v3.TlsInspector`,
        max_client_hello_size: MAX_HELLO_BYTES,
        close_connection_on_client_hello_parsing_errors: true,
      },
    }],
    filter_chains: chains,
    default_filter_chain: {
      name: "usual",
      filters: filters(options, name, kind, { path: DEFAULT_PATH, idleMs: DEFAULT_IDLE_MS }),
    },
  };
}

function filters(options: ListenerOptions, name: string, kind: ClusterKind, { path, idleMs }: Chain): JsonObject[] {
  const tcpProxy = {
    "@type": `${TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: name,
    cluster: "none", // the filter state names it
    idle_timeout: `${idleMs / 1_000}s`,
    ...kind === "tunnel" && {
      tunneling_config: {
        use_post: true,
        hostname: `%CLUSTER_METADATA(${METADATA}:authority)%`,
        post_path: path,
        // Not by a filter of the cluster's: with the runtime flag that tcp_proxy needs for those it does not hold back a front end whose
        // client does not read, and Envoy's memory grows with all that it sends (seen with 1.40).
        headers_to_add: [{
          header: { key: "authorization", value: `Bearer %CLUSTER_METADATA(${METADATA}:token)%` },
        }],
      },
    },
    access_log: [accessLog(kind)],
    access_log_options: { access_log_flush_interval: `${(options.openStreamsMs ?? OPEN_STREAMS_MS) / 1_000}s` },
  };
  return [
    { name: "envoy.filters.network.set_filter_state", typed_config: clusterByServerName(kind) },
    { name: "envoy.filters.network.tcp_proxy", typed_config: tcpProxy },
  ];
}

/** A name that is not registered names no cluster: the connection is closed. */
function clusterByServerName(kind: ClusterKind): JsonObject {
  const inline_string = clusterName(kind, "%REQUESTED_SERVER_NAME%");
  return {
    "@type": `${TYPE}.extensions.filters.network.set_filter_state.v3.Config`,
    on_new_connection: [{
      object_key: "envoy.tcp_proxy.cluster",
      format_string: { text_format_source: { inline_string } },
    }],
  };
}

function accessLog(kind: ClusterKind): JsonObject {
  return {
    name: "envoy.access_loggers.tcp_grpc",
    typed_config: {
      "@type": `${TYPE}.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig`,
      common_config: {
        log_name: "hgate",
        transport_api_version: "V3",
        grpc_service: { envoy_grpc: { cluster_name: HGATE_CLUSTER } },
        buffer_flush_interval: LOG_FLUSH,
        buffer_size_bytes: LOG_BUFFER_BYTES,
        custom_tags: [
          { tag: "kind", value: kind },
          { tag: "closed_because", value: "%DOWNSTREAM_LOCAL_CLOSE_REASON%" },
        ],
      },
    },
  };
}
