/** Bytes, ends and resets, as they come out at the other end of the way. */
import assert from "node:assert/strict";
import { abort } from "../../lib/base/tcp_abort.ts";
import { createAuthority } from "../emulators/certificates.ts";
import { clientHello } from "./gate_hello.ts";
import { OTHER, readExactly, readHello, WEB } from "./gate_stage.ts";
import type { GateCase } from "./gate_suite.ts";
import { echo, pause, randomBytes, readAll, sha256, until, writeAll } from "./tunnel_peers.ts";

const MIB = 1_048_576;

export const CARRY_CASES: readonly GateCase[] = [
  {
    name: "the ClientHello and what follows arrive unchanged, and answers come back",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      const up = randomBytes(100_000);
      const sent = writeAll(client, up);
      assert.equal(await sha256(await readExactly(server, up.length)), await sha256(up));
      await sent;
      await writeAll(server, up.subarray(0, 5_000));
      assert.deepEqual(await readExactly(client, 5_000), up.slice(0, 5_000));
    },
  },
  {
    name: "TLS from end to end, by a plain host name",
    async run(stage) {
      const name = "web.prod.svc.cluster.local";
      const authority = createAuthority("mesh");
      const leaf = authority.issue({ commonName: name, subjectAltNames: [name] });
      using listener = Deno.listenTls({
        hostname: "127.0.0.1",
        port: 0,
        cert: leaf.certificatePem,
        key: leaf.privateKeyPem,
        alpnProtocols: ["istio"],
      });
      const target = { host: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port };
      const pass = { service: "prod/web", serverNames: [name], ...target };
      await stage.gate.update(stage.routes({ istiod: [pass] }));
      // The app's end, by way of the tunnel: bytes of the tunnel's app are carried to the TLS server.
      const client = await stage.connect();
      const started = Deno.startTls(client, {
        hostname: name,
        caCerts: [authority.certificatePem],
        alpnProtocols: ["istio"],
      });
      const app = await stage.web.accept();
      const behind = await Deno.connect({ hostname: target.host, port: target.port });
      void app.readable.pipeTo(behind.writable).catch(() => {});
      void behind.readable.pipeTo(app.writable).catch(() => {});
      const server = await listener.accept();
      const secured = await started;
      const [, { alpnProtocol }] = await Promise.all([server.handshake(), secured.handshake()]);
      assert.equal(alpnProtocol, "istio");
      await secured.write(Uint8Array.of(42));
      const buffer = new Uint8Array(10);
      assert.equal(await server.read(buffer), 1);
      assert.equal(buffer[0], 42);
      server.close();
      secured.close();
    },
  },
  {
    name: "the client ends first: the app reads the end and goes on sending",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      await writeAll(client, new Uint8Array(3));
      await client.closeWrite();
      assert.equal((await readAll(server)).length, 3);
      const down = randomBytes(MIB);
      const sent = writeAll(server, down).then(() => server.closeWrite());
      assert.equal(await sha256(await readAll(client)), await sha256(down));
      await sent;
      await until(async () => await stage.open() === 0 && await stage.result("ok") === 1, "the tunnel counted");
    },
  },
  {
    name: "the app ends first: the client reads the end and goes on sending",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      await writeAll(server, new Uint8Array(5));
      await server.closeWrite();
      assert.equal((await readAll(client)).length, 5);
      const up = randomBytes(MIB);
      const sent = writeAll(client, up).then(() => client.closeWrite());
      assert.equal(await sha256(await readAll(server)), await sha256(up));
      await sent;
      await until(async () => await stage.open() === 0 && await stage.result("ok") === 1, "the tunnel counted");
    },
  },
  {
    name: "the client's reset reaches the app as a reset",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      await writeAll(client, new Uint8Array(100));
      await readExactly(server, 100);
      abort(client);
      await assert.rejects(readAll(server), Deno.errors.ConnectionReset);
      await until(async () => await stage.open() === 0 && await stage.result("ok") === 1, "the tunnel counted");
    },
  },
  {
    name: "the app's reset reaches the client as a reset",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      await writeAll(server, new Uint8Array(100));
      await readExactly(client, 100);
      abort(server);
      await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
      await until(async () => await stage.open() === 0 && await stage.result("ok") === 1, "the tunnel counted");
    },
  },
  ...(hasIpv6() ? ["127.0.0.1", "::1"] : []).map((address): GateCase => ({
    name: `a gate for both families: bytes and resets for a client at ${address}`,
    stage: { gate: { hostname: "::" } },
    async run(stage) {
      const client = await stage.connect(stage.gate.ports.tunnels, address);
      await writeAll(client, clientHello({ serverName: WEB, alpn: ["istio"] }));
      const server = await stage.web.accept();
      await readHello(server, WEB);
      await writeAll(server, Uint8Array.of(1));
      await readExactly(client, 1);
      abort(server);
      await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
    },
  })),
  {
    name: "an app that answers and closes while the client still sends: the answer arrives whole",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      const down = randomBytes(MIB);
      const sending = (async () => {
        for (;;) await writeAll(client, new Uint8Array(16_384));
      })().catch(() => {}); // until nobody takes any more
      await readExactly(server, 10);
      const received = readExactly(client, down.length);
      await writeAll(server, down);
      await server.closeWrite();
      assert.equal(await sha256(await received), await sha256(down));
      server.close(); // with bytes that it has not read: a reset
      await sending;
      await until(async () => await stage.open() === 0, "the tunnel gone");
    },
  },
  {
    name: "an app that answers and is gone: a client that reads later has the answer whole",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      const down = randomBytes(MIB / 2);
      const sending = (async () => {
        for (;;) await writeAll(client, new Uint8Array(16_384));
      })().catch(() => {}); // until nobody takes any more
      await readExactly(server, 10);
      await writeAll(server, down);
      await server.closeWrite();
      const out = async () => (await stage.gate.stats()).bytes.get("prod/web")!.out;
      await until(async () => await out() === down.length, "the answer in the system's hands");
      server.close(); // with bytes that it has not read: a reset
      await pause(100);
      assert.equal(await sha256(await readExactly(client, down.length)), await sha256(down));
      await sending;
    },
  },
  {
    name: "a client's reset reaches an app that does not read",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      writeAll(client, new Uint8Array(48 * MIB)).catch(() => {});
      await settled(async () => (await stage.gate.stats()).bytes.get("prod/web")!.in);
      abort(client);
      await until(async () => await stage.open() === 0, "the tunnel gone, though nobody reads");
      await assert.rejects(readAll(server), Deno.errors.ConnectionReset);
    },
  },
  {
    name: "a reset of the front end reaches a client that does not read",
    async run(stage) {
      const { client, server } = await stage.tunnel();
      const sent = writeAll(server, new Uint8Array(48 * MIB));
      sent.catch(() => {});
      await settled(async () => (await stage.gate.stats()).bytes.get("prod/web")!.out);
      stage.frontEnd.connections[0]!.cut();
      await until(async () => await stage.open() === 0, "the tunnel gone, though nobody reads");
      await assert.rejects(readAll(client), Deno.errors.ConnectionReset);
    },
  },
  ...(["client", "app"] as const).flatMap((first) =>
    [false, true].map((slow): GateCase => ({
      name: `64 MiB each way, the ${first} ends first${slow ? ", to slow readers" : ""}`,
      async run(stage) {
        const { client, server } = await stage.tunnel();
        const block = randomBytes(MIB);
        const expected = await sha256(repeated(block, 64));
        const send = async (conn: Deno.TcpConn) => {
          for (let i = 0; i < 64; i++) await writeAll(conn, block);
          await conn.closeWrite();
        };
        const [one, two] = first === "client" ? [client, server] : [server, client];
        const pauseMs = slow ? 2 : 0;
        const [firstSent, firstRead] = [send(one), readSlowly(two, pauseMs)];
        const secondRead = readSlowly(one, pauseMs);
        const firstHash = await firstRead;
        await firstSent;
        const secondSent = send(two);
        assert.equal(firstHash, expected);
        assert.equal(await secondRead, expected);
        await secondSent;
        await until(async () => await stage.open() === 0 && await stage.result("ok") === 1, "the tunnel counted");
        const { in: up, out } = (await stage.gate.stats()).bytes.get("prod/web")!;
        assert.ok(up > 64 * MIB && up < 65 * MIB && out === 64 * MIB, `${up} in, ${out} out`);
      },
    }))
  ),
  ...(["client", "app"] as const).map((reader): GateCase => ({
    name: `${
      reader === "app" ? "an app" : "a client"
    } that does not read holds back the other side, and less than 1 MiB is in the gate`,
    async run(stage) {
      const { client, server } = await stage.tunnel();
      const [from, to] = reader === "client" ? [server, client] : [client, server];
      let written = 0;
      const piece = randomBytes(65_536);
      const sent = (async () => {
        for (; written < 48 * MIB; written += piece.length) await writeAll(from, piece);
        await from.closeWrite();
      })();
      sent.catch(() => {});
      const delivered = async () => {
        const counted = (await stage.gate.stats()).bytes.get("prod/web")!;
        return reader === "client" ? counted.out : counted.in;
      };
      await settled(() => Promise.resolve(written));
      assert.ok(written < 48 * MIB, "the sender was never held back");
      assert.ok(await delivered() > 0);
      const before = residentBytes();
      await pause(200);
      assert.ok(residentBytes() - before < MIB, "grows while nobody reads");
      const hash = sha256(repeated(piece, 48 * MIB / piece.length));
      assert.equal(await readSlowly(to, 0), await hash);
      await sent;
    },
  })),
  {
    name: "a stalled tunnel does not stop its neighbours",
    async run(stage) {
      const stalled = await stage.tunnel();
      writeAll(stalled.server, new Uint8Array(48 * MIB)).catch(() => {});
      await settled(async () => (await stage.gate.stats()).bytes.get("prod/web")!.out);
      const { client, server } = await stage.tunnel();
      const down = randomBytes(4 * MIB);
      const sent = writeAll(server, down).then(() => server.closeWrite());
      assert.equal(await sha256(await readAll(client)), await sha256(down));
      await sent;
    },
  },
  {
    name: "500 short tunnels, 16 at once, all end cleanly and are counted",
    async run(stage) {
      const serving = stage.web.serve(echo);
      let left = 500;
      await Promise.all(Array.from({ length: 16 }, async () => {
        while (left-- > 0) {
          const client = await stage.ask(WEB);
          await client.closeWrite();
          assert.ok((await readAll(client)).length > 100);
          client.close();
        }
      }));
      await until(async () => await stage.open() === 0 && await stage.result("ok") === 500, "all counted");
      await stage.web[Symbol.asyncDispose]();
      await serving;
      assert.equal(await stage.result("ok", "prod/other"), 0, OTHER);
    },
  },
];

function hasIpv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

/** Waits until a figure has stopped to grow. */
async function settled(figure: () => Promise<number>): Promise<void> {
  for (let last = -1, same = 0; same < 5;) {
    await pause(40);
    const now = await figure();
    same = now === last && now > 0 ? same + 1 : 0;
    last = now;
  }
}

function repeated(block: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(block.length * times);
  for (let i = 0; i < times; i++) all.set(block, i * block.length);
  return all;
}

/** The hash of everything until the end. */
async function readSlowly(conn: Deno.TcpConn, pauseMs: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  const buffer = new Uint8Array(262_144);
  let received = 0;
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
    pieces.push(buffer.slice(0, count));
    if (pauseMs > 0 && Math.floor((received + count) / MIB) > Math.floor(received / MIB)) await pause(pauseMs);
    received += count;
  }
  return await sha256(await new Blob(pieces as BlobPart[]).bytes());
}

function residentBytes(): number {
  return Deno.memoryUsage().rss;
}
