import type { TunnelResult } from "../route.ts";
import type { GrpcCall } from "./grpc_server.ts";
import { decode } from "./protobuf.ts";

/** How one connection stands or has ended, as Envoy's access log tells. */
export interface LoggedStream {
  /** Of this connection in all of its entries. */
  id: string;
  /** False for the word of a connection that goes on. */
  ended: boolean;
  /** Empty where the ClientHello had none, or was none. */
  serverName: string;
  /** Of the port that it came to. */
  kind: string;
  /** Undefined where no cluster has that name. */
  cluster: string | undefined;
  result: TunnelResult;
  /** Of the front end's answer, where that was not 200. */
  status: number | undefined;
  /** Envoy's words for a connection that failed. */
  reason: string;
  bytesIn: number;
  bytesOut: number;
}

/** The part of `envoy.data.accesslog.v3.TCPAccessLogEntry` that is read. */
export interface LogEntry {
  common_properties: {
    tls_properties: { tls_sni_hostname: string } | null;
    upstream_cluster: string;
    response_flags: {
      no_healthy_upstream: boolean;
      upstream_connection_failure: boolean;
      upstream_overflow: boolean;
      no_cluster_found: boolean;
    } | null;
    upstream_transport_failure_reason: string;
    custom_tags: Record<string, string>;
    stream_id: string;
    intermediate_log_entry: boolean;
  };
  connection_properties: { received_bytes: number; sent_bytes: number } | null;
}

interface LogMessage {
  tcp_logs: { log_entry: LogEntry[] } | null;
}

/** What tcp_proxy says of an answer other than 200 (seen with Envoy 1.40). */
const ANSWER = /tunnel_response:(\d{3})/;
const IDLE = "tcp_session_idle_timeout";
/** Envoy's spelling. No connection failed, so none was tried: a limit was reached. */
const NOT_BEGUN = "tcp_initializion_failure";

/** Reads an entry. */
export function loggedStream({ common_properties: common, connection_properties: connection }: LogEntry): LoggedStream {
  const flags = common.response_flags;
  const reason = common.upstream_transport_failure_reason;
  const status = Number(ANSWER.exec(reason)?.[1] ?? 0) || undefined;
  return {
    id: common.stream_id,
    ended: !common.intermediate_log_entry,
    kind: common.custom_tags.kind ?? "",
    serverName: common.tls_properties?.tls_sni_hostname ?? "",
    cluster: flags?.no_cluster_found ? undefined : common.upstream_cluster,
    result: resultOf(status, flags, common.custom_tags.closed_because ?? ""),
    status,
    reason,
    bytesIn: connection?.received_bytes ?? 0,
    bytesOut: connection?.sent_bytes ?? 0,
  };
}

function resultOf(
  status: number | undefined,
  flags: LogEntry["common_properties"]["response_flags"],
  closedBecause: string,
): TunnelResult {
  if (status !== undefined) return status === 401 || status === 403 ? "unauthorized" : "failed";
  if (closedBecause.startsWith(IDLE)) return "idle";
  if (flags?.no_healthy_upstream) return "unreachable";
  // Also a stream that was reset before it was answered, which looks just like a connect timeout.
  if (flags?.upstream_connection_failure) return "unreachable";
  if (flags?.upstream_overflow || closedBecause.startsWith(NOT_BEGUN)) return "refused";
  return "ok";
}

/** Takes the access log of an Envoy until it ends. */
export async function readAccessLog(call: GrpcCall, take: (stream: LoggedStream) => void): Promise<void> {
  for await (const bytes of call.messages()) {
    const { tcp_logs } = decode<LogMessage>("envoy.service.accesslog.v3.StreamAccessLogsMessage", bytes);
    for (const entry of tcp_logs?.log_entry ?? []) take(loggedStream(entry));
  }
}
