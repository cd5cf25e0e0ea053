import assert from "node:assert/strict";
import type { TunnelResult } from "../route.ts";
import { type LogEntry, loggedStream } from "./access_log.ts";
import { Counters } from "./counters.ts";

const FLAGS = {
  no_healthy_upstream: false,
  upstream_connection_failure: false,
  upstream_overflow: false,
  no_cluster_found: false,
};

function entry(flags: Partial<typeof FLAGS>, reason = "", closedBecause = ""): LogEntry {
  return {
    common_properties: {
      tls_properties: { tls_sni_hostname: "web" },
      upstream_cluster: "tunnel/web",
      response_flags: { ...FLAGS, ...flags },
      upstream_transport_failure_reason: reason,
      custom_tags: { closed_because: closedBecause },
      stream_id: "1",
      intermediate_log_entry: false,
    },
    connection_properties: { received_bytes: 3, sent_bytes: 4 },
  };
}

/** Flags and words as Envoy 1.40 gave them. */
const CASES: [string, LogEntry, TunnelResult][] = [
  ["both ended", entry({}), "ok"],
  [
    "401",
    entry({ upstream_connection_failure: true }, "tunnel_response:401", "tcp_initializion_failure:0"),
    "unauthorized",
  ],
  ["403", entry({ upstream_connection_failure: true }, "tunnel_response:403"), "unauthorized"],
  ["503", entry({ upstream_connection_failure: true }, "tunnel_response:503"), "failed"],
  [
    "nobody listens",
    entry({ upstream_connection_failure: true }, "delayed_connect_error:_Connection_refused"),
    "unreachable",
  ],
  ["no address", entry({ no_healthy_upstream: true }), "unreachable"],
  ["over the limit", entry({}, "", "tcp_initializion_failure:0"), "refused"],
  ["connect timeout", entry({ upstream_connection_failure: true }, "", "tcp_initializion_failure:0"), "unreachable"],
  ["over the limit, passed TLS", entry({ upstream_overflow: true }), "refused"],
  ["silent", entry({}, "", "tcp_session_idle_timeout"), "idle"],
];

for (const [name, given, result] of CASES) {
  Deno.test(`access log: ${name} is ${result}`, () => assert.equal(loggedStream(given).result, result));
}

Deno.test("access log: an unknown name has no cluster", () => {
  const { cluster, serverName } = loggedStream(entry({ no_cluster_found: true }));
  assert.deepEqual([cluster, serverName], [undefined, "web"]);
});

Deno.test("counters: a stream's bytes count once, however often it tells of them", () => {
  const counters = new Counters();
  const told = loggedStream(entry({}));
  counters.take("prod/web", { ...told, ended: false, bytesIn: 1, bytesOut: 1 });
  counters.take("prod/web", { ...told, ended: false, bytesIn: 2, bytesOut: 1 });
  counters.take("prod/web", told);
  const { bytes, tunnelsTotal } = counters.stats(new Map(), new Map());
  assert.deepEqual(bytes.get("prod/web"), { in: 3, out: 4 });
  assert.deepEqual(tunnelsTotal.get("prod/web"), { ok: 1 });
});
