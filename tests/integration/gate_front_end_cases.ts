/** A front end that refuses, limits, goes away and comes back. */
import assert from "node:assert/strict";
import { abort } from "../../lib/base/tcp_abort.ts";
import { ErrorCode } from "../../lib/http2/mod.ts";
import { readExactly, type Stage, WEB } from "./gate_stage.ts";
import type { GateCase } from "./gate_suite.ts";
import { echo, pause, randomBytes, readAll, sha256, until, writeAll } from "./tunnel_peers.ts";

/** The client's connection ends without a byte. */
async function refused(conn: Deno.TcpConn): Promise<void> {
  assert.equal(await conn.read(new Uint8Array(10)).catch(() => null), null);
}

export const FRONT_END_CASES: readonly GateCase[] = [
  {
    name:
      "the request is a POST with the URL's host, the route's path and the audience's token, and nothing but a tunnel's",
    async run(stage) {
      await stage.tunnel();
      assert.deepEqual(stage.frontEnd.requests, [{
        method: "POST",
        path: "/_hbone/15003",
        authority: `localhost:${stage.frontEnd.port}`,
        token: stage.tokens.current("https://web"),
        connection: 0,
      }]);
    },
  },
  {
    name: "250 tunnels at once: the pool grows at the front end's limit of 100",
    async run(stage) {
      const all = await stage.tunnels(250);
      assert.equal((await stage.gate.stats()).connections, 3);
      assert.deepEqual(stage.frontEnd.connections.map(({ mostStreams }) => mostStreams).sort(), [100, 100, 50].sort());
      assert.equal(await stage.open(), 250);
      await Promise.all(all.map(async ({ client, server }) => {
        await writeAll(client, Uint8Array.of(1));
        await readExactly(server, 1);
        await writeAll(server, Uint8Array.of(2));
        await readExactly(client, 1);
      }));
    },
  },
  {
    name: "a limit that the front end lowers is kept, and open tunnels stay",
    async run(stage) {
      const before = await stage.tunnels(20);
      stage.frontEnd.limitStreams(10);
      const [{ client, server }] = before as [typeof before[0]];
      await writeAll(server, Uint8Array.of(1)); // comes after the new limit
      await readExactly(client, 1);
      await stage.tunnels(15);
      assert.equal(await stage.open(), 35);
      assert.ok(stage.frontEnd.connections.slice(1).every(({ mostStreams }) => mostStreams <= 10));
      assert.equal(stage.frontEnd.connections[0]!.mostStreams, 20);
    },
  },
  {
    name: "401: the token is dropped, and a fresh one tried once",
    async run(stage) {
      const first = stage.tokens.current("https://web");
      stage.frontEnd.verdict = ({ token }) => token === first ? { status: 401 } : "pass";
      const { client, server } = await stage.tunnel();
      await writeAll(client, randomBytes(5_000));
      await readExactly(server, 5_000);
      assert.deepEqual(stage.tokens.dropped, ["https://web"]);
      assert.equal(stage.frontEnd.requests.length, 2);
    },
  },
  {
    name: "401 for many at once: one token is dropped, all go on with the next",
    async run(stage) {
      const first = stage.tokens.current("https://web");
      stage.frontEnd.verdict = ({ token }) => token === first ? { status: 401 } : "pass";
      await stage.tunnels(50);
      assert.deepEqual(stage.tokens.dropped, ["https://web"]);
      assert.equal(await stage.open(), 50);
    },
  },
  {
    name: "401 for the fresh token too: closed, counted",
    async run(stage) {
      stage.frontEnd.verdict = () => ({ status: 401 });
      await refused(await stage.ask());
      await until(async () => await stage.result("unauthorized") === 1, "counted");
      assert.equal(stage.frontEnd.requests.length, 2);
    },
  },
  {
    name: "no token is to be had: closed, counted, the front end hears nothing",
    async run(stage) {
      stage.tokens.failing = true;
      await refused(await stage.ask());
      await until(async () => await stage.result("unauthorized") === 1, "counted");
      assert.equal(stage.frontEnd.requests.length, 0);
    },
  },
  ...([[403, "unauthorized"], [404, "failed"], [503, "failed"], [204, "failed"]] as const).map(
    ([status, result]): GateCase => ({
      name: `${status}: closed, counted as ${result}`,
      async run(stage) {
        stage.frontEnd.verdict = () => ({ status });
        await refused(await stage.ask());
        await until(async () => await stage.result(result) === 1, "counted");
        assert.equal(stage.frontEnd.requests.length, 1);
      },
    }),
  ),
  {
    name: "a request that the front end refuses unprocessed is sent again, any other reset is not",
    async run(stage) {
      stage.frontEnd.verdict = () =>
        stage.frontEnd.requests.length === 1 ? { reset: ErrorCode.REFUSED_STREAM } : "pass";
      await stage.tunnel();
      assert.equal(stage.frontEnd.requests.length, 2);
      stage.frontEnd.verdict = () => ({ reset: ErrorCode.INTERNAL_ERROR });
      await refused(await stage.ask());
      await until(async () => await stage.result("failed") === 1, "counted");
      assert.equal(stage.frontEnd.requests.length, 3);
    },
  },
  {
    name: "a client that is gone before the front end has answered: the request is cancelled",
    async run(stage) {
      const cancelled = Promise.withResolvers<void>();
      stage.frontEnd.verdict = () => ({ hold: cancelled.resolve });
      const client = await stage.ask();
      await until(() => stage.frontEnd.requests.length === 1, "asked");
      abort(client);
      await cancelled.promise;
      await until(async () => await stage.open() === 0, "the tunnel gone");
    },
  },
  {
    name: "GOAWAY: open tunnels go on to their end, new ones take another connection",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      stage.frontEnd.connections[0]!.goAway(1);
      await writeAll(server, Uint8Array.of(1)); // comes after GOAWAY
      await readExactly(client, 1);
      await stage.tunnel();
      assert.equal(stage.frontEnd.requests.at(-1)!.connection, 1);
      const up = randomBytes(200_000);
      const sent = writeAll(client, up).then(() => client.closeWrite());
      assert.equal(await sha256(await readAll(server)), await sha256(up));
      await sent;
      await server.closeWrite();
      assert.equal((await readAll(client)).length, 0);
      await until(() => !stage.frontEnd.connections[0]!.isOpen, "the old connection closed");
    },
  },
  {
    name: "a connection to the front end that is reset: its tunnels are reset and counted, the next takes a new one",
    async run(stage) {
      const all = await stage.tunnels(5);
      stage.frontEnd.connections[0]!.cut();
      for (const { client } of all) await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
      await until(async () => await stage.result("failed") === 5 && await stage.open() === 0, "counted");
      for (const { server } of all) await assert.rejects(readAll(server), Deno.errors.ConnectionReset);
      await stage.tunnel();
    },
  },
  {
    name: "a front end that is silent for long is given up, and one that answers is not",
    stage: { gate: { limits: { keepAliveMs: 300 } } },
    async run(stage) {
      const { client, server } = await stage.tunnel();
      await pause(1_000);
      await writeAll(client, Uint8Array.of(1));
      await readExactly(server, 1);
      stage.frontEnd.connections[0]!.vanish();
      await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
      await until(async () => await stage.result("failed") === 1, "counted");
      await stage.tunnel();
    },
  },
  {
    name: "no front end there: closed, counted, and served when it is back",
    async run(stage) {
      await stage.gate.update(stage.routes({ tunnels: [stage.webRoute({ url: "https://localhost:1" })] }));
      await refused(await stage.ask());
      await until(async () => await stage.result("unreachable") === 1, "counted");
      await stage.gate.update(stage.routes());
      await stage.tunnel();
    },
  },
  {
    name: "a front end that accepts and says nothing: closed after the connect timeout",
    stage: { limits: { connectTimeoutMs: 300 } },
    async run(stage) {
      using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const url = `https://localhost:${(silent.addr as Deno.NetAddr).port}`;
      await stage.gate.update(stage.routes({ tunnels: [stage.webRoute({ url })] }));
      await refused(await stage.ask());
      await until(async () => await stage.result("unreachable") === 1, "counted");
    },
  },
  {
    name: "a certificate of another name: no token is sent",
    async run(stage) {
      using stranger = Deno.listenTls({
        hostname: "127.0.0.1",
        port: 0,
        ...strangersKey(stage),
        alpnProtocols: ["h2"],
      });
      const url = `https://localhost:${(stranger.addr as Deno.NetAddr).port}`;
      const heard = (async () => {
        const conn = await stranger.accept();
        const count = await conn.read(new Uint8Array(10)).catch(() => null);
        conn.close();
        return count;
      })();
      await stage.gate.update(stage.routes({ tunnels: [stage.webRoute({ url })] }));
      await refused(await stage.ask());
      assert.equal(await heard, null);
      await until(async () => await stage.result("unreachable") === 1, "counted");
    },
  },
  {
    name: "connections without a tunnel are closed after a while, and opened again when needed",
    stage: { gate: { limits: { idleConnectionMs: 200 } } },
    async run(stage) {
      const serving = stage.web.serve(echo);
      const once = async () => {
        const client = await stage.ask(WEB);
        await client.read(new Uint8Array(1)); // an end right behind the hello is another case
        await client.closeWrite();
        await readAll(client);
      };
      await once();
      await once();
      assert.equal(stage.frontEnd.connections.length, 1);
      await until(() => stage.frontEnd.openConnections === 0, "closed");
      await once();
      assert.equal(stage.frontEnd.connections.length, 2);
      await stage.web[Symbol.asyncDispose]();
      await serving;
    },
  },
];

/** A certificate that the gate's roots have signed, for another name. */
function strangersKey(stage: Stage): { cert: string; key: string } {
  const leaf = stage.frontEnd.authority.issue({ commonName: "evil", subjectAltNames: ["evil.example"] });
  return { cert: leaf.certificatePem, key: leaf.privateKeyPem };
}
