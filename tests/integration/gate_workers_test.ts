/** Several threads on the gate's ports. */
import assert from "node:assert/strict";
import { serveEmbeddedGate } from "../../lib/gate/embedded/engine.ts";
import { embeddedGate } from "../../lib/gate/mod.ts";
import { NumberedTokens, OTHER, readExactly, Stage } from "./gate_stage.ts";
import { readAll, until, writeAll } from "./tunnel_peers.ts";

Deno.test("gate of two threads: both serve, with one thread's tokens; statistics, changes, drain and names are of both", async () => {
  await using stage = await Stage.open(embeddedGate, { gate: { workers: 2 } });
  const tunnels = await stage.tunnels(24);
  const { connections, tunnelsOpen } = await stage.gate.stats();
  // Each thread has a pool of its own; 24 of 24 to one thread has the odds of 1 to 8 million.
  assert.deepEqual([connections, tunnelsOpen.get("prod/web")], [2, 24]);
  for (const { client, server } of tunnels) {
    await writeAll(client, Uint8Array.of(1));
    await readExactly(server, 1);
  }
  for (let i = 0; i < 12; i++) await readAll(await stage.ask("unknown.example")).catch(() => {});
  await until(async () => (await stage.gate.stats()).rejected.unknown === 12, "counted");
  assert.deepEqual(stage.unknown, ["unknown.example"]);
  // A token that is refused is dropped, whichever thread finds out.
  const old = stage.tokens.current("https://web");
  stage.frontEnd.verdict = ({ token }) => token === old ? { status: 401 } : "pass";
  await stage.tunnel();
  assert.deepEqual(stage.tokens.dropped, ["https://web"]);
  await stage.gate.update(stage.routes({ tunnels: [stage.otherRoute()] }));
  for (const { client } of tunnels) await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
  const { client, server } = await stage.tunnel(OTHER);
  const drained = stage.gate.drain(5_000);
  client.close();
  await readAll(server);
  server.close();
  await drained;
});

Deno.test("gate of two threads: no token for a worker either, when the source has none", async () => {
  await using stage = await Stage.open(embeddedGate, { gate: { workers: 2 } });
  stage.tokens.failing = true;
  for (let i = 0; i < 12; i++) await readAll(await stage.ask()).catch(() => {});
  await until(async () => await stage.result("unauthorized") === 12, "counted");
  assert.equal(stage.frontEnd.requests.length, 0);
});

const DYING = `self.onmessage = ({ data }) => {
  self.postMessage({ kind: "reply", id: data.id, ports: {} });
  setTimeout(() => { throw new Error("worker broke"); }, 50);
};`;

Deno.test("gate of two threads: when one dies, the gate as a whole fails with the reason", async () => {
  const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(DYING)}`);
  const options = { ports: { tunnels: 0, istiod: 0 }, hostname: "127.0.0.1", tokens: new NumberedTokens(), workers: 2 };
  await using gate = await serveEmbeddedGate(options, workerUrl);
  await assert.rejects(gate.ended, /serve the gate on ports \d+, \d+\n {2}got: a thread died: .*worker broke/);
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: gate.ports.tunnels }), "nothing is served");
});
