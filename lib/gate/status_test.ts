import assert from "node:assert/strict";
import { gateMetrics, type GateStatus, routesReport } from "./status.ts";

const STATUS: GateStatus = {
  notReady: undefined,
  engine: "embedded",
  routes: {
    tunnels: [{
      service: "prod/web",
      serverNames: ["outbound_.8080_._.web.prod.svc.cluster.local"],
      url: "https://web.a.run.app",
      audience: "https://web.a.run.app",
      path: "/_hbone/15003",
      limits: { tunnels: 10, connectTimeoutMs: 1, idleTimeoutMs: 1 },
    }],
    istiod: [{
      service: "istio-system/istiod",
      serverNames: ["istiod.istio-system.svc"],
      host: "10.0.0.1",
      port: 15_012,
    }],
  },
  problems: [{ object: "Service prod/bad", problem: "no URL" }],
  clusterHeardAt: 2_000,
  isLeader: true,
  stats: {
    tunnelsOpen: new Map([["prod/web", 2]]),
    tunnelsTotal: new Map([["prod/web", { ok: 5, unreachable: 1 }]]),
    bytes: new Map([["prod/web", { in: 7, out: 9 }]]),
    rejected: { unknown: 3, none: 0, malformed: 0, slow: 1 },
    connections: 4,
  },
  tokenFetches: { ok: 8, failed: 1 },
};

Deno.test("the gate's metrics: by service, result, direction and reason", () => {
  const lines = gateMetrics(STATUS, 5_000).split("\n");
  for (
    const line of [
      "hgate_ready 1",
      "hgate_leader 1",
      'hgate_routes{kind="tunnel"} 1',
      "hgate_route_problems 1",
      "hgate_config_age_seconds 3",
      'hgate_token_fetches_total{result="failed"} 1',
      'hgate_tunnels_open{service="prod/web"} 2',
      'hgate_tunnels_total{service="prod/web",result="unreachable"} 1',
      'hgate_tunnel_bytes_total{service="prod/web",direction="out"} 9',
      'hgate_rejected_total{reason="unknown"} 3',
      "hgate_front_end_connections 4",
    ]
  ) assert.ok(lines.includes(line), `${line} in\n${lines.join("\n")}`);
  assert.ok(gateMetrics({ ...STATUS, stats: undefined, notReady: "x" }).startsWith("# HELP hgate_ready"));
  assert.doesNotMatch(gateMetrics({ ...STATUS, stats: undefined }), /tunnels_open/);
});

Deno.test("the gate's routes for people: where each name leads, and what is wrong", () => {
  assert.deepEqual(routesReport(STATUS), {
    engine: "embedded",
    notReady: null,
    isLeader: true,
    routes: [
      {
        kind: "tunnel",
        service: "prod/web",
        names: ["outbound_.8080_._.web.prod.svc.cluster.local"],
        to: "https://web.a.run.app/_hbone/15003",
        open: 2,
      },
      {
        kind: "istiod",
        service: "istio-system/istiod",
        names: ["istiod.istio-system.svc"],
        to: "10.0.0.1:15012",
        open: 0,
      },
    ],
    problems: [{ object: "Service prod/bad", problem: "no URL" }],
  });
});
