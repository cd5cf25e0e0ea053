/**
 * The part of Envoy's xDS and access log protocols that hgate speaks, field numbers as in
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/discovery/v3/discovery.proto and
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/data/accesslog/v3/accesslog.proto. Fields that are left out are skipped when read.
 */
export const DISCOVERY_SCHEMA: readonly string[] = [
  `syntax = "proto3";
  package google.rpc;
  message Status { int32 code = 1; string message = 2; }`,

  `syntax = "proto3";
  package envoy.service.discovery.v3;
  message Node { string id = 1; }
  message DeltaDiscoveryRequest {
    Node node = 1;
    string type_url = 2;
    repeated string resource_names_subscribe = 3;
    repeated string resource_names_unsubscribe = 4;
    map<string, string> initial_resource_versions = 5;
    string response_nonce = 6;
    google.rpc.Status error_detail = 7;
  }
  message Resource { string version = 1; google.protobuf.Any resource = 2; string name = 3; }
  message DeltaDiscoveryResponse {
    repeated Resource resources = 2;
    string type_url = 4;
    string nonce = 5;
    repeated string removed_resources = 6;
  }`,

  `syntax = "proto3";
  package envoy.data.accesslog.v3;
  message TLSProperties { string tls_sni_hostname = 3; }
  message ResponseFlags {
    bool no_healthy_upstream = 2;
    bool upstream_connection_failure = 6;
    bool upstream_overflow = 8;
    bool no_cluster_found = 25;
  }
  message AccessLogCommon {
    TLSProperties tls_properties = 4;
    string upstream_cluster = 15;
    ResponseFlags response_flags = 16;
    string upstream_transport_failure_reason = 18;
    map<string, string> custom_tags = 22;
    string stream_id = 26;
    bool intermediate_log_entry = 27;
  }
  message ConnectionProperties { uint64 received_bytes = 1; uint64 sent_bytes = 2; }
  message TCPAccessLogEntry { AccessLogCommon common_properties = 1; ConnectionProperties connection_properties = 2; }`,

  `syntax = "proto3";
  package envoy.service.accesslog.v3;
  message StreamAccessLogsMessage {
    message TCPAccessLogEntries { repeated envoy.data.accesslog.v3.TCPAccessLogEntry log_entry = 1; }
    TCPAccessLogEntries tcp_logs = 3;
  }
  message StreamAccessLogsResponse {}`,
];
