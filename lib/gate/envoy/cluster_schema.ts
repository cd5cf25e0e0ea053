/**
 * The part of Envoy's v3 API that hgate's clusters are made of, field numbers as in
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/cluster/v3/cluster.proto and the messages it names.
 */
export const CLUSTER_SCHEMA: readonly string[] = [
  `syntax = "proto3";
  package envoy.config.core.v3;
  message SocketAddress { string address = 2; oneof port_specifier { uint32 port_value = 3; } bool ipv4_compat = 6; }
  message Address { SocketAddress socket_address = 1; }
  message DataSource { string filename = 1; bytes inline_bytes = 2; string inline_string = 3; }
  message Metadata { map<string, google.protobuf.Struct> filter_metadata = 1; }
  message TransportSocket { string name = 1; google.protobuf.Any typed_config = 3; }
  message Http2ProtocolOptions {
    google.protobuf.UInt32Value max_concurrent_streams = 2;
    google.protobuf.UInt32Value initial_stream_window_size = 3;
    google.protobuf.UInt32Value initial_connection_window_size = 4;
    KeepaliveSettings connection_keepalive = 15;
  }
  message KeepaliveSettings { google.protobuf.Duration interval = 1; google.protobuf.Duration timeout = 2; }
  message HttpProtocolOptions { google.protobuf.Duration idle_timeout = 1; }`,

  `syntax = "proto3";
  package envoy.config.endpoint.v3;
  message Endpoint { envoy.config.core.v3.Address address = 1; }
  message LbEndpoint { Endpoint endpoint = 1; }
  message LocalityLbEndpoints { repeated LbEndpoint lb_endpoints = 2; }
  message ClusterLoadAssignment { string cluster_name = 1; repeated LocalityLbEndpoints endpoints = 2; }`,

  `syntax = "proto3";
  package envoy.config.cluster.v3;
  message CircuitBreakers {
    message Thresholds {
      google.protobuf.UInt32Value max_connections = 2;
      google.protobuf.UInt32Value max_pending_requests = 3;
      google.protobuf.UInt32Value max_requests = 4;
    }
    repeated Thresholds thresholds = 1;
  }
  message Cluster {
    enum DiscoveryType { STATIC = 0; }
    message CustomClusterType { string name = 1; google.protobuf.Any typed_config = 2; }
    string name = 1;
    DiscoveryType type = 2;
    google.protobuf.Duration connect_timeout = 4;
    google.protobuf.UInt32Value per_connection_buffer_limit_bytes = 5;
    CircuitBreakers circuit_breakers = 10;
    envoy.config.core.v3.TransportSocket transport_socket = 24;
    envoy.config.core.v3.Metadata metadata = 25;
    envoy.config.endpoint.v3.ClusterLoadAssignment load_assignment = 33;
    CustomClusterType cluster_type = 38;
    google.protobuf.BoolValue wait_for_warm_on_init = 54;
    map<string, google.protobuf.Any> typed_extension_protocol_options = 36;
  }`,

  `syntax = "proto3";
  package envoy.extensions.clusters.dns.v3;
  message DnsCluster {
    enum DnsLookupFamily { UNSPECIFIED = 0; AUTO = 1; V4_ONLY = 2; V6_ONLY = 3; V4_PREFERRED = 4; ALL = 5; }
    google.protobuf.Duration dns_refresh_rate = 3;
    bool respect_dns_ttl = 5;
    DnsLookupFamily dns_lookup_family = 8;
    bool all_addresses_in_single_endpoint = 9;
  }`,

  `syntax = "proto3";
  package envoy.type.matcher.v3;
  message StringMatcher { string exact = 1; }`,

  `syntax = "proto3";
  package envoy.extensions.transport_sockets.tls.v3;
  message SubjectAltNameMatcher {
    enum SanType { SAN_TYPE_UNSPECIFIED = 0; EMAIL = 1; DNS = 2; URI = 3; IP_ADDRESS = 4; }
    SanType san_type = 1;
    envoy.type.matcher.v3.StringMatcher matcher = 2;
  }
  message CertificateValidationContext {
    envoy.config.core.v3.DataSource trusted_ca = 1;
    repeated SubjectAltNameMatcher match_typed_subject_alt_names = 15;
  }
  message CommonTlsContext { CertificateValidationContext validation_context = 3; repeated string alpn_protocols = 4; }
  message UpstreamTlsContext { CommonTlsContext common_tls_context = 1; string sni = 2; }`,

  `syntax = "proto3";
  package envoy.extensions.upstreams.http.v3;
  message HttpProtocolOptions {
    message ExplicitHttpConfig { envoy.config.core.v3.Http2ProtocolOptions http2_protocol_options = 2; }
    envoy.config.core.v3.HttpProtocolOptions common_http_protocol_options = 1;
    ExplicitHttpConfig explicit_http_config = 3;
  }`,
];
