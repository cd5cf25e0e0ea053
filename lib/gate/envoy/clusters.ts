import { isIP } from "node:net";
import type { Secret } from "../../base/secret.ts";
import type { PassRoute, TunnelRoute } from "../route.ts";
import { type ClusterKind, clusterName, METADATA } from "./names.ts";
import { type JsonObject, TYPE_URL } from "./protobuf.ts";

const TYPE = `${TYPE_URL}envoy`;
/** What one tunnel may hold of what its reader does not take, each way. */
const STREAM_WINDOW_BYTES = 262_144;
const CONNECTION_WINDOW_BYTES = 16_777_216;
const BUFFER_BYTES = 262_144;
/** Cloud Run's limit of a connection; Envoy would learn it after it has opened all that wait. */
const MOST_STREAMS = 100;
/** HTTP/2 connections and passed streams a service: the limit of tunnels is one of streams. */
const MOST_CONNECTIONS = 65_536;
const PASS_CONNECT_TIMEOUT_MS = 5_000;
const IDLE_CONNECTION_MS = 300_000;
const KEEP_ALIVE_MS = 30_000;

/** What holds for the clusters of all front ends. */
export interface FrontEndOptions {
  /** PEM file, as Envoy sees it, that the certificate of a host is verified with. */
  rootsPathFor: (host: string) => string;
  /** A connection without a tunnel is closed after this long. @default {300000} */
  idleConnectionMs?: number | undefined;
  /** It is asked for a sign of life as often, and taken for gone without one as long after. @default {30000} */
  keepAliveMs?: number | undefined;
}

/** One address at a time, with the others to fall back to; asked again when its time to live is over. */
const BY_NAME: JsonObject = {
  name: "envoy.clusters.dns",
  typed_config: {
    "@type": `${TYPE}.extensions.clusters.dns.v3.DnsCluster`,
    all_addresses_in_single_endpoint: true,
    dns_lookup_family: "ALL",
    dns_refresh_rate: "30s",
    respect_dns_ttl: true,
  },
};

/**
 * A registered service's cluster for one of its server names: HTTP/2 over TLS to its front end. Its metadata has what the listener puts
 * into each request, the ID token among it. An `http:` URL is HTTP/2 with prior knowledge, in the clear.
 */
export function tunnelCluster(
  route: TunnelRoute,
  serverName: string,
  token: Secret,
  options: FrontEndOptions,
): JsonObject {
  const url = new URL(route.url);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isTls = url.protocol === "https:";
  const name = clusterName("tunnel", serverName);
  const keepAlive = seconds(options.keepAliveMs ?? KEEP_ALIVE_MS);
  const { tunnels, connectTimeoutMs } = route.limits;
  return {
    ...base(name, host, Number(url.port || (isTls ? 443 : 80)), connectTimeoutMs),
    circuit_breakers: {
      thresholds: [{ max_connections: MOST_CONNECTIONS, max_pending_requests: tunnels, max_requests: tunnels }],
    },
    metadata: { filter_metadata: { [METADATA]: { authority: url.host, token: token.reveal() } } },
    ...isTls &&
      {
        transport_socket: { name: "envoy.transport_sockets.tls", typed_config: tls(host, options.rootsPathFor(host)) },
      },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions`,
        common_http_protocol_options: { idle_timeout: seconds(options.idleConnectionMs ?? IDLE_CONNECTION_MS) },
        explicit_http_config: {
          http2_protocol_options: {
            max_concurrent_streams: MOST_STREAMS,
            initial_stream_window_size: STREAM_WINDOW_BYTES,
            initial_connection_window_size: CONNECTION_WINDOW_BYTES,
            connection_keepalive: { interval: keepAlive, timeout: keepAlive },
          },
        },
      },
    },
  };
}

/** The cluster of TLS that is passed through, for one of its server names. */
export function passCluster(kind: Exclude<ClusterKind, "tunnel">, route: PassRoute, serverName: string): JsonObject {
  return {
    ...base(clusterName(kind, serverName), route.host, route.port, PASS_CONNECT_TIMEOUT_MS),
    circuit_breakers: { thresholds: [{ max_connections: MOST_CONNECTIONS, max_pending_requests: MOST_CONNECTIONS }] },
  };
}

function base(name: string, host: string, port: number, connectTimeoutMs: number): JsonObject {
  const endpoint = { address: { socket_address: { address: host, port_value: port } } };
  return {
    name,
    ...isIP(host) ? { type: "STATIC" } : { cluster_type: BY_NAME },
    // A name that does not resolve must not hold up the others, nor the ports at Envoy's start.
    wait_for_warm_on_init: false,
    connect_timeout: seconds(connectTimeoutMs),
    per_connection_buffer_limit_bytes: BUFFER_BYTES,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

function tls(host: string, rootsPath: string): JsonObject {
  const isAddress = isIP(host) !== 0;
  return {
    "@type": `${TYPE}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
    ...!isAddress && { sni: host },
    common_tls_context: {
      alpn_protocols: ["h2"],
      validation_context: {
        trusted_ca: { filename: rootsPath },
        match_typed_subject_alt_names: [{ san_type: isAddress ? "IP_ADDRESS" : "DNS", matcher: { exact: host } }],
      },
    },
  };
}

function seconds(ms: number): string {
  return `${ms / 1_000}s`;
}
