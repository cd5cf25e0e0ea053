/** Envoy as the two hops between the mesh and a Cloud Run container: neither is krun's, so no mistake of ours is mirrored. */

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

/** Cloud Run's front end: TLS for *.a.run.app, the ID token checked, its signature cut off, 100 streams a connection, then h2c to the container. */
export function frontEndConfig(options: { service: string; container: string; jwk: object }): object {
  const { service } = options;
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
              http2_protocol_options: { max_concurrent_streams: 100 },
              common_http_protocol_options: { max_stream_duration: "300s" },
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
        load_assignment: endpoints("container", options.container, 15_009),
      }],
    },
  };
}

/** A gate for one service: SNI → `POST /_hbone/15003` with an ID token over TLS. */
export function gateConfig(options: { service: string; sni: string; frontEnd: string }): object {
  const host = `${options.service}.a.run.app`;
  return {
    node: { id: "gate", cluster: "gate" },
    layered_runtime: {
      layers: [{
        name: "static",
        static_layer: { "envoy.restart_features.upstream_http_filters_with_tcp_proxy": true },
      }],
    },
    static_resources: {
      listeners: [{
        name: "sni_15442",
        address: { socket_address: { address: "0.0.0.0", port_value: 15_442 } },
        listener_filters: [filter("tls", "extensions.filters.listener.tls_inspector.v3.TlsInspector")],
        filter_chains: [{
          filter_chain_match: { server_names: [options.sni] },
          filters: [
            filter("tcp", "extensions.filters.network.tcp_proxy.v3.TcpProxy", {
              stat_prefix: "tunnel",
              cluster: "front_end",
              tunneling_config: { hostname: `${host}:443`, use_post: true, post_path: "/_hbone/15003" },
            }),
          ],
        }],
      }],
      clusters: [{
        name: "front_end",
        type: "STATIC",
        load_assignment: endpoints("front_end", options.frontEnd, 443),
        transport_socket: {
          name: "tls",
          typed_config: {
            "@type": TYPE + "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            sni: host,
            common_tls_context: {
              alpn_protocols: ["h2"],
              validation_context: { trusted_ca: { filename: "/etc/envoy-secret/ca.crt" } },
            },
          },
        },
        typed_extension_protocol_options: {
          "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            ...HTTP2["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"],
            http_filters: [
              filter("token", "extensions.filters.http.credential_injector.v3.CredentialInjector", {
                overwrite: true,
                credential: {
                  name: "generic",
                  typed_config: {
                    "@type": TYPE + "extensions.http.injected_credentials.generic.v3.Generic",
                    header: "authorization",
                    credential: {
                      name: "id_token",
                      sds_config: { path_config_source: { path: "/etc/envoy-secret/token.json" } },
                    },
                  },
                },
              }),
              filter("codec", "extensions.filters.http.upstream_codec.v3.UpstreamCodec"),
            ],
          },
        },
      }],
    },
  };
}

/** The secret that Envoy sends as the authorization header. */
export function tokenResource(token: string): object {
  return {
    resources: [{
      "@type": TYPE + "extensions.transport_sockets.tls.v3.Secret",
      name: "id_token",
      generic_secret: { secret: { inline_string: `Bearer ${token}` } },
    }],
  };
}
