import { HGATE_CLUSTER } from "./names.ts";
import { type JsonObject, TYPE_URL } from "./protobuf.ts";

const TYPE = `${TYPE_URL}envoy`;
const DEFAULT_MAX_TUNNELS = 50_000;
/** The only statistics that are read; each of thousands of clusters has more than a hundred others. */
const STATISTICS = [
  { suffix: ".upstream_rq_active" },
  { suffix: ".upstream_cx_active" },
  { suffix: ".warming_clusters" },
  { suffix: ".downstream_cx_active" },
  { suffix: ".downstream_pre_cx_timeout" },
  { suffix: ".downstream_global_cx_overflow" },
  { prefix: "tls_inspector." },
];

/** What Envoy is started with. */
export interface BootstrapOptions {
  /** Unix socket that hgate serves configuration on. */
  adsPath: string;
  /** Unix socket of Envoy's admin interface. */
  adminPath: string;
  /** Streams at once in all. @default {50000} */
  maxTunnels?: number | undefined;
}

/**
 * Envoy's bootstrap as the gate's data plane; plain JSON of the v3 API. What is served, and where, comes by delta ADS.
 */
export function gateEnvoyBootstrap(options: BootstrapOptions): JsonObject {
  return {
    node: { id: "hgate", cluster: "hgate" },
    admin: { address: { pipe: { path: options.adminPath, mode: 0o660 } } },
    overload_manager: {
      resource_monitors: [{
        name: "envoy.resource_monitors.global_downstream_max_connections",
        typed_config: {
          "@type": `${TYPE}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig`,
          max_active_downstream_connections: options.maxTunnels ?? DEFAULT_MAX_TUNNELS,
        },
      }],
    },
    stats_config: { stats_matcher: { inclusion_list: { patterns: STATISTICS } }, use_all_default_tags: false },
    dynamic_resources: {
      ads_config: {
        api_type: "DELTA_GRPC",
        transport_api_version: "V3",
        grpc_services: [{ envoy_grpc: { cluster_name: HGATE_CLUSTER } }],
        set_node_on_first_message_only: true,
      },
      cds_config: { ads: {}, resource_api_version: "V3" },
      lds_config: { ads: {}, resource_api_version: "V3" },
    },
    cluster_manager: { enable_deferred_cluster_creation: true },
    static_resources: { clusters: [hgateCluster(options.adsPath)] },
  };
}

function hgateCluster(adsPath: string): JsonObject {
  return {
    name: HGATE_CLUSTER,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: HGATE_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: adsPath } } } }] }],
    },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: { connection_keepalive: { interval: "30s", timeout: "10s" } } },
      },
    },
  };
}
