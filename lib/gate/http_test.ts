import assert from "node:assert/strict";
import { Problem } from "../base/errors.ts";
import { serveGateHttp } from "./http.ts";
import type { GateStatus } from "./status.ts";

const status = (notReady: string | undefined): GateStatus => ({
  notReady,
  engine: "embedded",
  routes: { tunnels: [], istiod: [] },
  problems: [],
  clusterHeardAt: undefined,
  isLeader: false,
  stats: undefined,
  tokenFetches: { ok: 0, failed: 0 },
});

Deno.test("the gate's port for probes and people", async () => {
  let notReady: string | undefined = "no routes yet";
  await using http = serveGateHttp({ port: 0, hostname: "127.0.0.1", status: () => Promise.resolve(status(notReady)) });
  const ask = async (path: string, method = "GET") => {
    const answer = await fetch(`http://127.0.0.1:${http.port}${path}`, { method });
    return `${answer.status} ${(await answer.text()).trim()}`;
  };
  assert.equal(await ask("/healthz"), "200 ok");
  assert.equal(await ask("/readyz"), "503 not ready: no routes yet");
  notReady = undefined;
  assert.equal(await ask("/readyz"), "200 ok");
  assert.match(await ask("/metrics"), /^200 # HELP hgate_ready/);
  assert.match(await ask("/debug/routes"), /^200 {"engine":"embedded"/);
  assert.match(await ask("/readyz", "POST"), /^405/);
  assert.match(await ask("/else"), /^404/);
  assert.throws(
    () => serveGateHttp({ port: http.port, hostname: "127.0.0.1", status: () => Promise.reject() }),
    Problem,
  );
});
