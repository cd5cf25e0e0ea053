import { fileSource, paths } from "./files.ts";
import { stateValue } from "./filter_state.ts";
import { HEADERS, RESOURCES, SCOPES, STATES, typeUrl } from "./names.ts";

/** Where a connection manager stands: at the proxy's port, or inside a CONNECT tunnel. */
export type Position = "proxy" | "tunnel";

export interface ConnectionManagerOptions {
  position: Position;
  /** Where the files lie that {@link paths} names. */
  directory: string;
  /** Whether the Envoy is Istio's own, which has `istio.alpn`. */
  istioAlpn: boolean;
}

/** The cache that the dynamic forward proxy's filter and cluster share. IPv6-only hosts work: IPv4 is preferred, not required. */
export const DNS_CACHE = { name: RESOURCES.outside, dns_lookup_family: "V4_PREFERRED" };

/**
 * The connection manager that all of whitebox mode goes through.
 *
 * A request's scope is the port of its authority, and each such scope names the route configuration that istiod serves under that number: that is
 * how VirtualServices, retries, weights and mTLS clusters stay istiod's own. The Lua filter decides the scope ({@link luaSource}).
 */
export function connectionManager(options: ConnectionManagerOptions): Record<string, unknown> {
  return {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: {
      "@type": typeUrl("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
      stat_prefix: `krun_${options.position}`,
      codec_type: "AUTO",
      http_protocol_options: { allow_absolute_url: true, accept_http_10: true },
      http2_protocol_options: { allow_connect: true },
      upgrade_configs: [{ upgrade_type: "CONNECT" }, { upgrade_type: "websocket" }],
      // Like Istio's outbound listeners: a stream may be idle as long as its ends want, e.g. a database connection in a CONNECT.
      stream_idle_timeout: "0s",
      request_headers_timeout: "30s",
      // The app should see the server's own name, not Envoy's.
      server_header_transformation: "PASS_THROUGH",
      scoped_routes: {
        name: RESOURCES.scopes,
        scope_key_builder: { fragments: [{ header_value_extractor: { name: HEADERS.scope, index: 0 } }] },
        rds_config_source: { ads: {}, resource_api_version: "V3" },
        scoped_rds: { scoped_rds_config_source: fileSource(paths(options.directory).scopes) },
      },
      http_filters: httpFilters(options),
    },
  };
}

/** `@type` of the Lua filter, which comes from a file so that it can change while Envoy runs. */
export const LUA_TYPE = typeUrl("extensions.filters.http.lua.v3.Lua");

function httpFilters({ position, directory, istioAlpn }: ConnectionManagerOptions): Record<string, unknown>[] {
  const clear = Object.values(HEADERS).map((header) => ({ remove: header }));
  const tunnel = { header: { key: HEADERS.tunnel, value: `%FILTER_STATE(${STATES.tunnel}:PLAIN)%` } };
  return [
    // A client can't choose a scope or cluster: its headers of these names are gone before anything is decided.
    mutation("krun_clear", position === "tunnel" ? [...clear, { append: tunnel }] : clear),
    {
      name: RESOURCES.lua,
      config_discovery: { type_urls: [LUA_TYPE], config_source: fileSource(paths(directory).lua) },
    },
    ...(position === "proxy" ? [shareWithTunnel()] : []),
    // A VirtualService's CORS policy, faults and a service's sticky sessions are settings of these filters, under these names, in istiod's routes.
    filter("envoy.filters.http.cors", "cors.v3.Cors"),
    filter("envoy.filters.http.fault", "fault.v3.HTTPFault"),
    filter("envoy.filters.http.stateful_session", "stateful_session.v3.StatefulSession"),
    // Behind the fault filter, which has resolved the route by then; taken off in Lua, the route would be resolved anew without them.
    mutation("krun_strip", clear),
    ...(istioAlpn ? [ISTIO_ALPN] : []),
    filter("envoy.filters.http.dynamic_forward_proxy", "dynamic_forward_proxy.v3.FilterConfig", {
      dns_cache_config: DNS_CACHE,
    }),
    filter("envoy.filters.http.router", "router.v3.Router"),
  ];
}

/**
 * Istio's own filter (pilot/pkg/xds/filters in istio/istio): it offers ALPN `istio-http/1.1` and the like to the server's sidecar, which tells HTTP
 * from TCP by that on ports without a declared protocol. Envoy's own builds lack it.
 */
const ISTIO_ALPN = {
  name: "istio.alpn",
  typed_config: {
    "@type": "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    alpn_override: [
      { upstream_protocol: "HTTP10", alpn_override: ["istio-http/1.0", "istio", "http/1.0"] },
      { upstream_protocol: "HTTP11", alpn_override: ["istio-http/1.1", "istio", "http/1.1"] },
      { upstream_protocol: "HTTP2", alpn_override: ["istio-h2", "istio", "h2"] },
    ],
  },
};

/** What the internal listener must know of a CONNECT. */
function shareWithTunnel(): Record<string, unknown> {
  return filter("envoy.filters.http.set_filter_state", "set_filter_state.v3.Config", {
    on_request_headers: [
      stateValue(STATES.tunnel, `%REQ(${HEADERS.tunnel})%`, "shared"),
      stateValue(STATES.cluster, `%REQ(${HEADERS.cluster})%`, "shared"),
    ],
  });
}

function mutation(name: string, mutations: Record<string, unknown>[]): Record<string, unknown> {
  return filter(name, "header_mutation.v3.HeaderMutation", { mutations: { request_mutations: mutations } });
}

function filter(name: string, type: string, config: Record<string, unknown> = {}): Record<string, unknown> {
  return { name, typed_config: { "@type": typeUrl(`extensions.filters.http.${type}`), ...config } };
}

/** Routes of the scope `name`, one for CONNECT and one for everything else, to a cluster or to a named header's cluster. */
export function scopeRoutes(target: { cluster: string } | { cluster_header: string }): Record<string, unknown>[] {
  return [
    {
      match: { connect_matcher: {} },
      route: { ...target, timeout: "0s", upgrade_configs: [{ upgrade_type: "CONNECT", connect_config: {} }] },
    },
    { match: { prefix: "/" }, route: { ...target, timeout: "0s" } },
  ];
}

/** Routes of {@link SCOPES.blocked}. */
export function blockedRoutes(): Record<string, unknown>[] {
  const direct_response = {
    status: 502,
    body: { inline_string: "the mesh lets nothing out to hosts it does not know\n" },
  };
  return [{ match: { connect_matcher: {} }, direct_response }, { match: { prefix: "/" }, direct_response }];
}

/** The scopes whose routes don't come from istiod. */
export const OWN_SCOPES: Record<string, Record<string, unknown>[]> = {
  [SCOPES.outside]: scopeRoutes({ cluster: RESOURCES.outside }),
  [SCOPES.blocked]: blockedRoutes(),
  [SCOPES.tunnel]: scopeRoutes({ cluster: RESOURCES.tunnel }),
  [SCOPES.cluster]: scopeRoutes({ cluster_header: HEADERS.cluster }),
};
