import assert from "node:assert/strict";
import { metricsText, type Status } from "./metrics.ts";
import { serveHealth } from "./server.ts";

const STATUS: Status = {
  notReady: undefined,
  startMs: { clusterMs: 22, proxyMs: 201 },
  proxyUp: true,
  proxyRestarts: 2,
  tokenExpiresAt: 1_795_473_400_000,
  meshEnvReadAt: 1_795_473_300_500,
  tunnels: { tunnelsOpen: 3, tunnelsTotal: 40, bytesIn: 5, bytesOut: 6 },
};

Deno.test("metrics: every value with its type, in Prometheus' form", () => {
  const text = metricsText(STATUS);
  for (
    const line of [
      "krun_ready 1",
      'krun_start_stage_seconds{stage="cluster"} 0.022',
      'krun_start_stage_seconds{stage="proxy"} 0.201',
      "krun_proxy_restarts_total 2",
      "krun_token_expiry_timestamp_seconds 1795473400",
      "krun_mesh_env_read_timestamp_seconds 1795473300.5",
      "krun_tunnels_open 3",
      'krun_tunnel_bytes_total{direction="out"} 6',
      "# TYPE krun_tunnels_total counter",
    ]
  ) assert.ok(text.split("\n").includes(line), `${line} in\n${text}`);
  const bare = metricsText({
    ...STATUS,
    tunnels: undefined,
    tokenExpiresAt: undefined,
    meshEnvReadAt: undefined,
    notReady: "x",
  });
  assert.doesNotMatch(bare, /krun_tunnel|krun_token|krun_mesh_env/);
  assert.match(bare, /^krun_ready 0$/m);
});

Deno.test("health: live always, ready when it is, an end when it is asked for by POST", async () => {
  let notReady: string | undefined = "the proxy is down";
  const { promise: quitted, resolve: quit } = Promise.withResolvers<void>();
  await using health = serveHealth({ port: 0, status: () => ({ ...STATUS, notReady }), quit });
  const ask = async (path: string, method = "GET") => {
    const answer = await fetch(`http://127.0.0.1:${health.port}${path}`, { method });
    return `${answer.status} ${(await answer.text()).trim()}`;
  };
  assert.equal(await ask("/healthz/live"), "200 live");
  assert.equal(await ask("/healthz/ready"), "503 not ready: the proxy is down");
  notReady = undefined;
  assert.equal(await ask("/healthz/ready"), "200 ready");
  assert.match(await ask("/metrics"), /^200 # HELP krun_ready/);
  assert.match(await ask("/quitquitquit"), /^405/);
  assert.match(await ask("/metrics", "POST"), /^405/);
  assert.match(await ask("/other"), /^404/);
  assert.equal(await ask("/quitquitquit", "POST"), "200 ending");
  await quitted;
});

Deno.test("health: a port that is taken is no failure", async () => {
  await using first = serveHealth({ port: 0, status: () => STATUS, quit() {} });
  await using second = serveHealth({ port: first.port, status: () => STATUS, quit() {} });
  assert.equal(second.port, 0);
});
