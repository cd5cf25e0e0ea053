/**
 * The part of Envoy's v3 API that hgate's listeners are made of, field numbers as in
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/listener/v3/listener.proto and the messages it names.
 */
export const LISTENER_SCHEMA: readonly string[] = [
  `syntax = "proto3";
  package envoy.config.core.v3;
  enum ApiVersion { AUTO = 0; V2 = 1; V3 = 2; }
  message GrpcService { message EnvoyGrpc { string cluster_name = 1; } EnvoyGrpc envoy_grpc = 1; }
  message SubstitutionFormatString { DataSource text_format_source = 5; }
  message HeaderValue { string key = 1; string value = 2; }
  message HeaderValueOption { HeaderValue header = 1; }`,

  `syntax = "proto3";
  package envoy.config.accesslog.v3;
  message AccessLog { string name = 1; google.protobuf.Any typed_config = 4; }`,

  `syntax = "proto3";
  package envoy.type.tracing.v3;
  message CustomTag { string tag = 1; string value = 6; }`,

  `syntax = "proto3";
  package envoy.config.listener.v3;
  message Filter { string name = 1; google.protobuf.Any typed_config = 4; }
  message ListenerFilter { string name = 1; google.protobuf.Any typed_config = 3; }
  message FilterChainMatch { repeated string server_names = 11; }
  message FilterChain { FilterChainMatch filter_chain_match = 1; repeated Filter filters = 3; string name = 7; }
  message Listener {
    string name = 1;
    envoy.config.core.v3.Address address = 2;
    repeated FilterChain filter_chains = 3;
    google.protobuf.UInt32Value per_connection_buffer_limit_bytes = 5;
    repeated ListenerFilter listener_filters = 9;
    google.protobuf.Duration listener_filters_timeout = 15;
    FilterChain default_filter_chain = 25;
  }`,

  `syntax = "proto3";
  package envoy.extensions.filters.listener.tls_inspector.v3;
  message TlsInspector {
    bool close_connection_on_client_hello_parsing_errors = 4;
    google.protobuf.UInt32Value max_client_hello_size = 5;
  }`,

  `syntax = "proto3";
  package envoy.extensions.filters.common.set_filter_state.v3;
  message FilterStateValue { string object_key = 1; envoy.config.core.v3.SubstitutionFormatString format_string = 2; }`,

  `syntax = "proto3";
  package envoy.extensions.filters.network.set_filter_state.v3;
  message Config { repeated envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue on_new_connection = 1; }`,

  `syntax = "proto3";
  package envoy.extensions.access_loggers.grpc.v3;
  message CommonGrpcAccessLogConfig {
    string log_name = 1;
    envoy.config.core.v3.GrpcService grpc_service = 2;
    google.protobuf.Duration buffer_flush_interval = 3;
    google.protobuf.UInt32Value buffer_size_bytes = 4;
    envoy.config.core.v3.ApiVersion transport_api_version = 6;
    repeated envoy.type.tracing.v3.CustomTag custom_tags = 8;
  }
  message TcpGrpcAccessLogConfig { CommonGrpcAccessLogConfig common_config = 1; }`,

  `syntax = "proto3";
  package envoy.extensions.filters.network.tcp_proxy.v3;
  message TcpProxy {
    message TunnelingConfig {
      string hostname = 1;
      bool use_post = 2;
      repeated envoy.config.core.v3.HeaderValueOption headers_to_add = 3;
      string post_path = 5;
    }
    message TcpAccessLogOptions { google.protobuf.Duration access_log_flush_interval = 1; }
    string stat_prefix = 1;
    string cluster = 2;
    repeated envoy.config.accesslog.v3.AccessLog access_log = 5;
    google.protobuf.Duration idle_timeout = 8;
    TunnelingConfig tunneling_config = 12;
    TcpAccessLogOptions access_log_options = 17;
  }`,
];
