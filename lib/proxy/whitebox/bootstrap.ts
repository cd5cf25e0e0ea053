import { stateValue } from "./filter_state.ts";
import type { Forward } from "./forward.ts";
import { forwardCluster, forwardListener } from "./forward_resources.ts";
import { connectionManager, type ConnectionManagerOptions, DNS_CACHE } from "./http_filters.ts";
import { loopbackAddresses } from "./loopback.ts";
import { DEFAULT_PROXY_PORT, RESOURCES, STATES, TCP_CLUSTER_STATE, typeUrl } from "./names.ts";

export interface WhiteboxOptions {
  /** Port of the HTTP proxy on the loopback addresses. @default {15007} */
  port?: number;
  /** Whether to listen on ::1 too; a container without IPv6 can't (`canBind`). @default {false} */
  ipv6?: boolean;
  /**
   * Absolute path of a directory for the files that Envoy reads routes from. It may be read and written by Envoy's user only; nothing else lies in it.
   * {@link writeInitialFiles} fills it, and must have done so before Envoy starts.
   */
  directory: string;
  /** TCP forwards, see {@link parseForwards}. @default {[]} */
  forwards?: readonly Forward[];
  /** Whether the sidecar's Envoy is Istio's own build, so that its filter `istio.alpn` is there. @default {false} */
  istioAlpn?: boolean;
}

/** What is merged into Envoy's bootstrap by `ISTIO_BOOTSTRAP_OVERRIDE`. */
export interface BootstrapPart {
  static_resources: { listeners: Record<string, unknown>[]; clusters: Record<string, unknown>[] };
}

/**
 * The HTTP proxy of whitebox mode as a part of the sidecar's bootstrap: static listeners and clusters beside istiod's own.
 *
 * Istio's interception mode stays REDIRECT (in mode NONE Envoy binds the port of every service in sight, the app's own too), no iptables are applied,
 * and nothing is bound but the proxy's port and those of the forwards.
 */
export function whiteboxBootstrap(options: WhiteboxOptions): BootstrapPart {
  const manager = (position: ConnectionManagerOptions["position"]) =>
    connectionManager({ directory: options.directory, istioAlpn: options.istioAlpn ?? false, position });
  const forwards = options.forwards ?? [];
  const port = options.port ?? DEFAULT_PROXY_PORT;
  return {
    static_resources: {
      listeners: [
        {
          name: RESOURCES.proxy,
          ...loopbackAddresses(port, options.ipv6 ?? false),
          filter_chains: [{ filters: [manager("proxy")] }],
        },
        tunnelListener(manager("tunnel")),
        ...forwards.map((forward) => forwardListener(forward, options)),
      ],
      clusters: [
        outsideCluster(),
        internalCluster(RESOURCES.tunnel),
        ...forwards.map(forwardCluster),
      ],
    },
  };
}

/**
 * What is inside a CONNECT to a mesh host: HTTP/1, HTTP/2 and gRPC go by the mesh's routes; anything else goes to the service's cluster as it is, which
 * is what Istio does on ports without a declared protocol. As there, a protocol where the server speaks first needs a declared port; here it is only slow.
 */
function tunnelListener(manager: Record<string, unknown>): Record<string, unknown> {
  return {
    name: RESOURCES.tunnel,
    internal_listener: {},
    listener_filters: [{
      name: "envoy.filters.listener.http_inspector",
      typed_config: { "@type": typeUrl("extensions.filters.listener.http_inspector.v3.HttpInspector") },
    }],
    listener_filters_timeout: "5s",
    continue_on_listener_filters_timeout: true,
    filter_chains: [{
      filter_chain_match: { application_protocols: ["http/1.0", "http/1.1", "h2c"] },
      filters: [manager],
    }],
    default_filter_chain: {
      filters: [{
        name: "envoy.filters.network.set_filter_state",
        typed_config: {
          "@type": typeUrl("extensions.filters.network.set_filter_state.v3.Config"),
          on_new_connection: [stateValue(TCP_CLUSTER_STATE, `%FILTER_STATE(${STATES.cluster}:PLAIN)%`, "here")],
        },
      }, {
        name: "envoy.filters.network.tcp_proxy",
        typed_config: {
          "@type": typeUrl("extensions.filters.network.tcp_proxy.v3.TcpProxy"),
          stat_prefix: "krun_tunnel_tcp",
          cluster: RESOURCES.nowhere,
        },
      }],
    },
  };
}

function outsideCluster(): Record<string, unknown> {
  return {
    name: RESOURCES.outside,
    lb_policy: "CLUSTER_PROVIDED",
    connect_timeout: "10s",
    circuit_breakers: UNLIMITED,
    cluster_type: {
      name: "envoy.clusters.dynamic_forward_proxy",
      typed_config: {
        "@type": typeUrl("extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"),
        dns_cache_config: DNS_CACHE,
      },
    },
  };
}

function internalCluster(name: string): Record<string, unknown> {
  const endpoint = { address: { envoy_internal_address: { server_listener_name: name } } };
  return {
    name,
    type: "STATIC",
    circuit_breakers: UNLIMITED,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    transport_socket: {
      name: "envoy.transport_sockets.internal_upstream",
      typed_config: {
        "@type": typeUrl("extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport"),
        transport_socket: {
          name: "envoy.transport_sockets.raw_buffer",
          typed_config: { "@type": typeUrl("extensions.transport_sockets.raw_buffer.v3.RawBuffer") },
        },
      },
    },
  };
}

/** Envoy allows 1,024 connections and requests a cluster unless told otherwise; Istio tells its own clusters this number. */
const NO_LIMIT = 4_294_967_295;
const UNLIMITED = {
  thresholds: [{
    max_connections: NO_LIMIT,
    max_pending_requests: NO_LIMIT,
    max_requests: NO_LIMIT,
    max_retries: NO_LIMIT,
  }],
};
