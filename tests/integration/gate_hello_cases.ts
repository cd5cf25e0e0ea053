/** What is let in: who says a known name, in time, and nobody else. */
import assert from "node:assert/strict";
import { clientHello, helloMessage, records } from "./gate_hello.ts";
import { readExactly, readHello, type Stage, WEB } from "./gate_stage.ts";
import type { GateCase } from "./gate_suite.ts";
import { pause, randomBytes, until, writeAll } from "./tunnel_peers.ts";

type Rejected = "unknown" | "none" | "malformed" | "slow";

/** The connection is closed, one way or the other, no token was asked for and no front end heard of it. */
async function closedUnheard(stage: Stage, conn: Deno.TcpConn, why: Rejected): Promise<void> {
  const asked = stage.tokens.asked.length;
  const count = await conn.read(new Uint8Array(100)).catch(() => null);
  assert.ok(count === null || count < 100, "closed, after a TLS alert at most");
  await until(async () => (await stage.gate.stats()).rejected[why] === 1, `counted as ${why}`);
  assert.equal(stage.tokens.asked.length, asked);
  assert.equal(stage.frontEnd.requests.length, 0);
}

const REJECTED: readonly { name: string; why: Rejected; bytes: Uint8Array }[] = [
  { name: "no server name", why: "none", bytes: clientHello({ alpn: ["istio"] }) },
  { name: "no extensions at all", why: "none", bytes: clientHello({ noExtensions: true }) },
  { name: "an HTTP request", why: "malformed", bytes: new TextEncoder().encode("GET / HTTP/1.1\r\nhost: web\r\n\r\n") },
  {
    name: "HTTP/2 in the clear",
    why: "malformed",
    bytes: new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  },
  { name: "another handshake message", why: "malformed", bytes: records(Uint8Array.of(2, 0, 0, 1, 0)) },
  {
    name: "a ClientHello of more than 16 KiB",
    why: "malformed",
    bytes: clientHello({ serverName: WEB, extensions: [{ type: 21, content: new Uint8Array(17_000) }] }),
  },
  {
    name: "lengths that do not fit",
    why: "malformed",
    bytes: records(helloMessage({ serverName: WEB }).map((byte, at) => at === 38 ? 255 : byte)),
  },
];

export const HELLO_CASES: readonly GateCase[] = [
  ...REJECTED.map(({ name, why, bytes }): GateCase => ({
    name: `${name}: closed at once, unheard, counted`,
    async run(stage) {
      const conn = await stage.connect();
      await writeAll(conn, bytes).catch(() => {});
      await closedUnheard(stage, conn, why);
    },
  })),
  {
    name: "an unknown name: closed, told of once, no token asked for, no connection made",
    async run(stage) {
      const name = "outbound_.8080_._.evil.prod.svc.cluster.local";
      for (let i = 0; i < 3; i++) {
        const conn = await stage.ask(name);
        assert.equal(await conn.read(new Uint8Array(10)).catch(() => null), null);
      }
      await until(async () => (await stage.gate.stats()).rejected.unknown === 3, "counted");
      assert.deepEqual(stage.unknown, [name]);
      assert.deepEqual([stage.tokens.asked, stage.frontEnd.connections.length], [[], 0]);
    },
  },
  {
    name: "part of a name, or a longer one, is not the name",
    async run(stage) {
      for (const name of [WEB.slice(0, -1), `${WEB}x`, `x.${WEB}`, "prod.svc.cluster.local", "__proto__"]) {
        const conn = await stage.ask(name);
        assert.equal(await conn.read(new Uint8Array(10)).catch(() => null), null, name);
      }
      assert.equal(stage.frontEnd.connections.length, 0);
    },
  },
  {
    name: "a name of this port is unknown at another",
    async run(stage) {
      const atIstiod = await stage.ask(WEB, stage.gate.ports.istiod);
      const atTunnels = await stage.ask("istiod.istio-system.svc");
      for (const conn of [atIstiod, atTunnels]) {
        assert.equal(await conn.read(new Uint8Array(10)).catch(() => null), null);
      }
      assert.equal(stage.frontEnd.connections.length, 0);
    },
  },
  {
    name: "upper case in the name is the same name",
    async run(stage) {
      const conn = await stage.ask("WEB.prod.SVC.cluster.local");
      const server = await stage.web.accept();
      await readHello(server, "WEB.prod.SVC.cluster.local");
      await writeAll(server, Uint8Array.of(1));
      await readExactly(conn, 1);
    },
  },
  {
    name: "a client that says nothing, or stops half-way, is closed in time",
    stage: { gate: { limits: { helloMs: 300 } } },
    async run(stage) {
      const silent = await stage.connect();
      const halfWay = await stage.connect();
      await writeAll(halfWay, clientHello({ serverName: WEB }).subarray(0, 40));
      const startMs = performance.now();
      for (const conn of [silent, halfWay]) assert.equal(await conn.read(new Uint8Array(10)).catch(() => null), null);
      assert.ok(performance.now() - startMs < 2_000);
      await until(async () => (await stage.gate.stats()).rejected.slow === 2, "counted");
    },
  },
  {
    name: "one byte a segment, and records of one byte each: the same ClientHello",
    async run(stage) {
      const whole = clientHello({ serverName: WEB, alpn: ["istio"] });
      const cut = records(helloMessage({ serverName: WEB }), 1);
      for (const bytes of [whole, cut]) {
        const conn = await stage.connect();
        for (const byte of bytes) {
          await writeAll(conn, Uint8Array.of(byte));
          if (bytes === whole) await pause(0);
        }
        const server = await stage.web.accept();
        assert.deepEqual(await readExactly(server, bytes.length), bytes);
      }
    },
  },
  {
    name: "what follows the ClientHello in the same segment is carried too, 10 kB of it",
    async run(stage) {
      const first = new Uint8Array([...clientHello({ serverName: WEB }), ...randomBytes(10_000)]);
      const conn = await stage.connect();
      await writeAll(conn, first);
      const server = await stage.web.accept();
      assert.deepEqual(await readExactly(server, first.length), first);
    },
  },
  {
    name: "a thousand connections that never say a name hold nobody up and leave nothing",
    stage: { gate: { limits: { waiting: 200, helloMs: 2_000 } } },
    async run(stage) {
      const junk = await Promise.all(Array.from({ length: 1_000 }, () => stage.connect()));
      await stage.tunnel();
      for (const conn of junk) conn.close();
      const all = async () => {
        const { slow, malformed } = (await stage.gate.stats()).rejected;
        return slow + malformed === 1_000 && slow >= 700;
      };
      await until(all, "all gone, the longest waiting first");
    },
  },
];
