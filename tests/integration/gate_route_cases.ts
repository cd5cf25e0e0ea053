/** Routes that come and go, limits, and the end of the gate. */
import assert from "node:assert/strict";
import { OTHER, readExactly, readHello, type Stage, type Tunnel, WEB } from "./gate_stage.ts";
import type { GateCase } from "./gate_suite.ts";
import { pause, randomBytes, readAll, sha256, until, writeAll } from "./tunnel_peers.ts";

/** Both directions still work. */
async function works({ client, server }: Tunnel): Promise<void> {
  await writeAll(client, Uint8Array.of(1, 2));
  assert.deepEqual(await readExactly(server, 2), Uint8Array.of(1, 2));
  await writeAll(server, Uint8Array.of(3));
  assert.deepEqual(await readExactly(client, 1), Uint8Array.of(3));
}

async function isCut({ client, server }: Tunnel): Promise<void> {
  await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
  await assert.rejects(readAll(server), Deno.errors.ConnectionReset);
}

async function refused(stage: Stage, serverName: string): Promise<void> {
  const conn = await stage.ask(serverName);
  assert.equal(await conn.read(new Uint8Array(10)).catch(() => null), null);
}

export const ROUTE_CASES: readonly GateCase[] = [
  {
    name: "a route that is removed: its tunnels are reset, those of others go on, its name is unknown",
    async run(stage) {
      const [web, other] = [await stage.tunnel(WEB), await stage.tunnel(OTHER)];
      await stage.gate.update(stage.routes({ tunnels: [stage.otherRoute()] }));
      await isCut(web);
      await works(other);
      await refused(stage, WEB);
      await works(await stage.tunnel(OTHER));
      assert.deepEqual(stage.unknown, [WEB]);
    },
  },
  {
    name: "a route that is added works at once and touches nobody",
    async run(stage) {
      await stage.gate.update(stage.routes({ tunnels: [stage.webRoute()] }));
      const web = await stage.tunnel(WEB);
      await refused(stage, OTHER);
      await stage.gate.update(stage.routes());
      await works(await stage.tunnel(OTHER));
      await works(web);
    },
  },
  {
    name: "a route whose names, audience or limits change: open tunnels stay, new ones go by the new",
    async run(stage) {
      const [web, other] = [await stage.tunnel(WEB), await stage.tunnel(OTHER)];
      const name = "outbound_.80_._.web.prod.svc.cluster.local";
      stage.frontEnd.verdict = () => "pass";
      const limits = { ...stage.webRoute().limits, tunnels: 2 };
      const changed = stage.webRoute({ serverNames: [name], audience: "https://new", limits });
      await stage.gate.update(stage.routes({ tunnels: [changed, stage.otherRoute()] }));
      await refused(stage, WEB);
      await works(await stage.tunnel(name, stage.web));
      assert.equal(stage.frontEnd.requests.at(-1)!.token, stage.tokens.current("https://new"));
      await works(web);
      await works(other);
      await refused(stage, name);
      await until(async () => await stage.result("refused") === 1, "the third is over the new limit");
      // It is the same route still: with it go its first tunnels.
      await stage.gate.update(stage.routes({ tunnels: [stage.otherRoute()] }));
      await isCut(web);
      await works(other);
    },
  },
  {
    name: "a route that leads elsewhere now: its old tunnels are reset, another service's are not",
    async run(stage) {
      const [web, other] = [await stage.tunnel(WEB), await stage.tunnel(OTHER)];
      await stage.gate.update(
        stage.routes({ tunnels: [stage.webRoute({ path: "/_hbone/other" }), stage.otherRoute()] }),
      );
      await isCut(web);
      await works(other);
    },
  },
  {
    name: "a route with a URL that cannot be used changes nothing",
    async run(stage) {
      for (const changed of [{ url: "http://localhost:80" }, { url: "nowhere" }, { path: "/a b" }, { path: "no" }]) {
        await assert.rejects(stage.gate.update(stage.routes({ tunnels: [stage.webRoute(changed)] })), /prod\/web/);
      }
      await works(await stage.tunnel(OTHER));
    },
  },
  {
    name: "tunnels of a service over its limit are refused and counted, another service's are not",
    stage: { limits: { tunnels: 3 } },
    async run(stage) {
      const open = [await stage.tunnel(), await stage.tunnel(), await stage.tunnel()] as const;
      await refused(stage, WEB);
      await until(async () => await stage.result("refused") === 1, "counted");
      await works(await stage.tunnel(OTHER));
      open[0].client.close();
      await readAll(open[0].server);
      open[0].server.close();
      await until(async () => await stage.open() === 2, "one has gone");
      await works(await stage.tunnel());
    },
  },
  {
    name: "tunnels over the limit of all are refused and counted",
    stage: { gate: { maxTunnels: 3 } },
    async run(stage) {
      await stage.tunnel();
      await stage.tunnel();
      await stage.tunnel(OTHER);
      await refused(stage, OTHER);
      await until(async () => await stage.result("refused", "prod/other") === 1, "counted");
    },
  },
  {
    name: "a tunnel where nothing moves is reset after the idle timeout, one where something moves is not",
    stage: { limits: { idleTimeoutMs: 600 } },
    async run(stage) {
      const [idle, busy] = [await stage.tunnel(), await stage.tunnel()];
      for (let i = 0; i < 10; i++) {
        await works(busy);
        await pause(100);
      }
      await isCut(idle);
      await works(busy);
      assert.equal(await stage.result("idle"), 1);
    },
  },
  {
    name: "15012: TLS for istiod's names passes through, ends and resets too, and nothing else",
    async run(stage) {
      const name = "istiod.istio-system.svc";
      const client = await stage.ask(name, stage.gate.ports.istiod);
      const server = await stage.istiod.accept();
      await readHello(server, name);
      const down = randomBytes(3_000_000);
      const sent = writeAll(server, down).then(() => server.closeWrite());
      assert.equal(await sha256(await readAll(client)), await sha256(down));
      await sent;
      await writeAll(client, Uint8Array.of(1));
      await readExactly(server, 1);
      await client.closeWrite();
      assert.equal((await readAll(server)).length, 0);
      await until(async () => await stage.result("ok", "istio-system/istiod") === 1, "counted");
      assert.equal(stage.tokens.asked.length, 0);
    },
  },
  {
    name: "15443: services that allow it pass through, where the port is asked for",
    stage: { gate: { ports: { tunnels: 0, istiod: 0, services: 0 } } },
    async run(stage) {
      const name = "outbound_.80_._.db.prod.svc.cluster.local";
      const service = { service: "prod/db", serverNames: [name], host: "127.0.0.1", port: stage.other.port };
      await stage.gate.update(stage.routes({ services: [service] }));
      const client = await stage.ask(name, stage.gate.ports.services);
      const server = await stage.other.accept();
      await readHello(server, name);
      await works({ client, server });
      await stage.gate.update(stage.routes());
      await isCut({ client, server });
    },
  },
  {
    name: "drain: nobody new is let in, open tunnels come to their end",
    async run(stage) {
      const tunnel = await stage.tunnel();
      const drained = stage.gate.drain(10_000);
      await until(async () => !await stage.connect().catch(() => undefined), "nothing accepted");
      await works(tunnel);
      await tunnel.client.closeWrite();
      await readAll(tunnel.server);
      await tunnel.server.closeWrite();
      assert.equal((await readAll(tunnel.client)).length, 0);
      await drained;
    },
  },
  {
    name: "drain: what is open at the limit is reset",
    async run(stage) {
      const tunnel = await stage.tunnel();
      const startMs = performance.now();
      await stage.gate.drain(300);
      assert.ok(performance.now() - startMs >= 290);
      await isCut(tunnel);
    },
  },
  {
    name: "disposal resets what is open and ends `ended`",
    async run(stage) {
      const tunnel = await stage.tunnel();
      await stage.gate[Symbol.asyncDispose]();
      await isCut(tunnel);
      await stage.gate.ended;
    },
  },
];
