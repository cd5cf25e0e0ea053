/** Envoy as Cloud Run's front end: it is not ours, so no mistake of ours is mirrored. */

const TYPE = "type.googleapis.com/envoy.";
const MANAGER = TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const HTTP2 = {
  "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions",
    explicit_http_config: { http2_protocol_options: {} },
  },
};

function filter(name: string, type: string, config: object = {}) {
  return { name, typed_config: { "@type": TYPE + type, ...config } };
}

function endpoints(name: string, address: string, port: number) {
  const endpoint = { address: { socket_address: { address, port_value: port } } };
  return { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] };
}

export interface FrontEndOptions {
  service: string;
  container: string;
  jwk: object;
  /** Streams a connection. @default {100} */
  streams?: number;
  /** A stream, which is a request, is reset after this long. @default {"300s"} */
  streamLife?: string;
  /** A connection is told to go (GOAWAY) after this long. @default never */
  connectionLife?: string;
}

/** Cloud Run's front end: TLS for *.a.run.app, the ID token checked, its signature cut off, streams limited, then h2c to the container. */
export function frontEndConfig(options: FrontEndOptions): object {
  const { service, streams = 100, streamLife = "300s", connectionLife } = options;
  const host = `${service}.a.run.app`;
  return {
    node: { id: "front-end", cluster: "front-end" },
    layered_runtime: {
      layers: [{
        name: "static",
        static_layer: { "envoy.reloadable_features.allow_multiplexed_upstream_half_close": true },
      }],
    },
    static_resources: {
      listeners: [{
        name: "https",
        address: { socket_address: { address: "0.0.0.0", port_value: 8443 } },
        filter_chains: [{
          transport_socket: {
            name: "tls",
            typed_config: {
              "@type": TYPE + "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
              common_tls_context: {
                alpn_protocols: ["h2", "http/1.1"],
                tls_certificates: [{
                  certificate_chain: { filename: "/etc/envoy-secret/tls.crt" },
                  private_key: { filename: "/etc/envoy-secret/tls.key" },
                }],
              },
            },
          },
          filters: [{
            name: "manager",
            typed_config: {
              "@type": MANAGER,
              stat_prefix: "front_end",
              codec_type: "AUTO",
              http2_protocol_options: { max_concurrent_streams: streams },
              common_http_protocol_options: {
                max_stream_duration: streamLife,
                ...(connectionLife ? { max_connection_duration: connectionLife } : {}),
              },
              http_filters: [
                filter("jwt", "extensions.filters.http.jwt_authn.v3.JwtAuthentication", {
                  providers: {
                    google: {
                      issuer: "https://accounts.google.com",
                      audiences: [`https://${host}`],
                      forward: true,
                      local_jwks: { inline_string: JSON.stringify({ keys: [options.jwk] }) },
                    },
                  },
                  rules: [{ match: { prefix: "/" }, requires: { provider_name: "google" } }],
                }),
                filter("cut", "extensions.filters.http.lua.v3.Lua", {
                  default_source_code: {
                    inline_string: `function envoy_on_request(h)
  local a = h:headers():get("authorization")
  if a then h:headers():replace("authorization", (a:gsub("%.[^.]*$", ".SIGNATURE_REMOVED_BY_GOOGLE"))) end
end`,
                  },
                }),
                filter("router", "extensions.filters.http.router.v3.Router"),
              ],
              route_config: {
                virtual_hosts: [{
                  name: service,
                  domains: [host, `${host}:*`],
                  routes: [{ match: { prefix: "/" }, route: { cluster: "container", timeout: "0s" } }],
                }],
              },
            },
          }],
        }],
      }],
      clusters: [{
        name: "container",
        type: "STATIC",
        typed_extension_protocol_options: HTTP2,
        circuit_breakers: { thresholds: [{ max_requests: 10_000, max_pending_requests: 10_000 }] },
        load_assignment: endpoints("container", options.container, 15_009),
      }],
    },
  };
}
