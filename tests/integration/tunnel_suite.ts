/** What every engine of the tunnel's end has to hold; each test starts its own. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { TunnelEnd, TunnelEngine } from "../../lib/tunnel/mod.ts";
import { App, Client, close, echo, pause, randomBytes, readAll, sha256, until, writeAll } from "./tunnel_peers.ts";
import { Http2Client } from "../../lib/http2/mod.ts";
import { abort } from "../../lib/base/tcp_abort.ts";

/** A tunnel's request, for the project's own client. */
export function post(path: string): [string, string][] {
  return [[":method", "POST"], [":scheme", "http"], [":path", path], [":authority", "test"]];
}

const MIB = 1_048_576;
/** HTTP/2 code for the end of the TCP side by RST, RFC 9113 section 8.5. */
const CONNECT_ERROR = 0xa;
const CANCEL = 0x8;

interface Setting {
  end: TunnelEnd;
  app: App;
  client: Client;
}

/** One thing that every engine has to hold. */
export interface TunnelCase {
  name: string;
  run(setting: Setting): Promise<void>;
}

/** A case that an engine is known to fail. */
export interface KnownFailure {
  case: string;
  reason: string;
  /** Either outcome is right: another case with the same reason is seen to fail each time. */
  byRace?: boolean;
}

/** So often a known failure may pass before the table is wrong. */
const MOST_TRIES = 5;
/** A known failure may show as a hang. */
const HANG_MS = 3_000;

/** Registers the suite's tests for one engine; a known failure must be seen, or the table that claims it is out of date. */
export function tunnelConformance(engine: TunnelEngine, known: readonly KnownFailure[] = [], table = ""): void {
  for (const tunnelCase of TUNNEL_CASES) {
    const failure = known.find((one) => one.case === tunnelCase.name);
    const name = `tunnel end ${engine.name}: ${tunnelCase.name}`;
    if (!failure) Deno.test(name, () => once(engine, tunnelCase));
    else if (failure.byRace) {
      Deno.test(`${name} (known to fail at times)`, () => once(engine, tunnelCase, HANG_MS).catch(() => {}));
    } else Deno.test(`${name} (known to fail)`, () => seenToFail(engine, tunnelCase, failure, table));
  }
  Deno.test(`tunnel end ${engine.name}: every known failure names a case`, () => {
    const names = TUNNEL_CASES.map((one) => one.name);
    assert.deepEqual(known.map((one) => one.case).filter((one) => !names.includes(one)), []);
    const certain = known.filter((one) => !one.byRace).map((one) => one.reason);
    assert.deepEqual(known.filter((one) => one.byRace && !certain.includes(one.reason)), [], "races without a proof");
  });
}

async function seenToFail(
  engine: TunnelEngine,
  tunnelCase: TunnelCase,
  failure: KnownFailure,
  table: string,
): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    try {
      await once(engine, tunnelCase, HANG_MS);
    } catch {
      return;
    }
  }
  assert.fail(`now passes ${MOST_TRIES} times: update the table in ${table} (it said: ${failure.reason})`);
}

async function once(engine: TunnelEngine, tunnelCase: TunnelCase, limitMs?: number): Promise<void> {
  let running: Promise<void> = Promise.resolve();
  try {
    await using app = new App();
    const routes = new Map([["app", app.port], ["15003", app.port], ["down", 1]]);
    await using end = await engine.serve({ port: 0, hostname: "127.0.0.1", routes, appPort: 1 });
    await using client = new Client(end.port);
    running = tunnelCase.run({ end, app, client });
    await within(running, limitMs);
  } finally {
    // With both its peers gone it comes to an end, or waits for what nobody will say.
    if (limitMs !== undefined) await within(running, 300).catch(() => {});
  }
}

async function within(running: Promise<void>, limitMs = Infinity): Promise<void> {
  if (limitMs === Infinity) return await running;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => timer = setTimeout(() => reject(new Error("hangs")), limitMs));
  await Promise.race([running, late]).finally(() => clearTimeout(timer));
}

export const TUNNEL_CASES: readonly TunnelCase[] = (() => {
  const cases: TunnelCase[] = [];
  const test = (name: string, run: TunnelCase["run"]) => void cases.push({ name, run });

  for (const size of [0, 1, 65_535, 65_536, 65_537, 8 * MIB]) {
    test(`carries ${size} bytes each way unchanged`, async ({ app, client }) => {
      const [up, down] = [randomBytes(size), randomBytes(size)];
      const tunnel = client.tunnel("15003");
      const conn = await app.accept();
      const received = readAll(conn);
      received.catch(() => {});
      const sent = writeAll(conn, down).then(() => conn.closeWrite());
      sent.catch(() => {});
      if (size > 0) await tunnel.write(up);
      tunnel.end();
      assert.equal(await tunnel.status, 200);
      assert.equal(await sha256(await received), await sha256(up));
      assert.equal(await sha256(await tunnel.body), await sha256(down));
      await sent;
    });
  }

  test("delivers all that a server sends before it closes at once, to a client that is behind", async ({ app, client }) => {
    const down = randomBytes(8 * MIB);
    for (let round = 0; round < 3; round++) {
      const tunnel = client.tunnel();
      const conn = await app.accept();
      tunnel.end();
      tunnel.stream.pause();
      const sent = writeAll(conn, down).then(() => conn.close());
      sent.catch(() => {});
      await pause(50);
      tunnel.stream.resume();
      await sent;
      assert.equal(await sha256(await tunnel.body), await sha256(down));
    }
  });

  test("delivers 64 MiB that a server sends before it ends, to a reader that is slower", async ({ end, app }) => {
    const block = randomBytes(MIB);
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: end.port });
    const client = new Http2Client(conn);
    try {
      const { stream, answer } = client.request(post("/_hbone/app"), false, () => {});
      const server = await app.accept();
      assert.equal((await answer).status, 200);
      const sent = (async () => {
        for (let i = 0; i < 64; i++) await writeAll(server, block);
        await server.closeWrite();
      })();
      sent.catch(() => {});
      let received = 0;
      for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
        const at = received % MIB;
        const part = bytes.subarray(0, Math.min(bytes.length, MIB - at));
        assert.equal(Buffer.compare(part, block.subarray(at, at + part.length)), 0, `wrong bytes at ${received}`);
        if (Math.floor((received + part.length) / MIB) > Math.floor(received / MIB)) await pause(2);
        received += part.length;
        stream.taken(part.length);
      }
      stream.end();
      assert.equal(received, 64 * MIB);
      await sent;
    } finally {
      await client.close();
    }
  });

  test("client ends first: the app reads the end and goes on sending", async ({ app, client }) => {
    const tunnel = client.tunnel();
    const conn = await app.accept();
    await tunnel.write(new Uint8Array(3));
    tunnel.end();
    assert.equal((await readAll(conn)).length, 3);
    await pause(50);
    const down = randomBytes(MIB);
    await writeAll(conn, down);
    await conn.closeWrite();
    assert.equal(await sha256(await tunnel.body), await sha256(down));
  });

  test("app ends first: the client reads the end and goes on sending", async ({ app, client }) => {
    const tunnel = client.tunnel();
    const conn = await app.accept();
    await writeAll(conn, new Uint8Array(5));
    await conn.closeWrite();
    const ended = new Promise<void>((resolve) => tunnel.stream.on("end", () => resolve()));
    await ended;
    assert.equal(tunnel.received(), 5);
    const up = randomBytes(MIB);
    const received = readAll(conn);
    received.catch(() => {});
    await tunnel.write(up);
    tunnel.end();
    assert.equal(await sha256(await received), await sha256(up));
  });

  test("a client's reset reaches the app as a reset, not as an end", async ({ app, client }) => {
    const tunnel = client.tunnel();
    const conn = await app.accept();
    await tunnel.write(new Uint8Array(1_000));
    assert.equal(await conn.read(new Uint8Array(2_000)), 1_000);
    tunnel.stream.close(CANCEL);
    await assert.rejects(readAll(conn), Deno.errors.ConnectionReset);
  });

  test("the end of the client's connection reaches every app connection as a reset", async ({ end, app, client }) => {
    const tunnels = [client.tunnel(), client.tunnel()];
    const conns = [await app.accept(), await app.accept()];
    for (const tunnel of tunnels) await tunnel.write(new Uint8Array(10));
    for (const conn of conns) assert.equal(await conn.read(new Uint8Array(20)), 10);
    await client[Symbol.asyncDispose]();
    for (const conn of conns) await assert.rejects(readAll(conn), Deno.errors.ConnectionReset);
    await until(async () => (await end.stats()).tunnelsOpen === 0, "tunnels gone");
  });

  test("an app's reset reaches the client as a reset, not as an end", async ({ app, client }) => {
    const tunnel = client.tunnel();
    const conn = await app.accept();
    await writeAll(conn, new Uint8Array(100));
    await until(() => tunnel.received() === 100, "100 bytes");
    abort(conn);
    assert.equal(await tunnel.closed, CONNECT_ERROR);
    await assert.rejects(tunnel.body);
  });

  test("an app that answers and closes while the client still sends: the answer arrives whole", async ({ end, app, client }) => {
    const tunnel = client.tunnel();
    const conn = await app.accept();
    const down = randomBytes(MIB);
    // Until nobody takes any more: Deno's client then neither closes the stream nor settles the write.
    void (async () => {
      for (;;) await tunnel.write(new Uint8Array(16_384));
    })().catch(() => {});
    await conn.read(new Uint8Array(10));
    await writeAll(conn, down);
    await conn.closeWrite();
    await new Promise<void>((resolve) => tunnel.stream.on("end", () => resolve()));
    conn.close();
    assert.equal(tunnel.received(), down.length);
    await until(async () => (await end.stats()).tunnelsOpen === 0, "the tunnel gone");
  });

  test("a client that does not read holds back the app, and less than 1 MiB is in flight here", async ({ end, app, client }) => {
    const tunnel = client.tunnel("app", true);
    const conn = await app.accept();
    const down = randomBytes(24 * MIB);
    const sent = writeAll(conn, down).then(() => conn.closeWrite());
    sent.catch(() => {});
    await settled(async () => (await end.stats()).bytesOut);
    const { bytesOut } = await end.stats();
    // The client's own window is the protocol's 65,535 bytes; the stream between it and its reader is Node's.
    assert.ok(bytesOut > 0 && bytesOut < MIB, `${bytesOut} bytes taken from the app`);
    const pieces: Uint8Array[] = [];
    for await (const piece of tunnel.stream) pieces.push(piece as Uint8Array);
    assert.equal(await sha256(await new Blob(pieces as BlobPart[]).bytes()), await sha256(down));
    tunnel.end();
    await sent;
  });

  test("an app that does not read holds back the client, and less than 1 MiB is in flight here", async ({ end, app, client }) => {
    const tunnel = client.tunnel();
    const conn = await app.accept();
    const up = randomBytes(24 * MIB);
    let written = 0;
    const sent = (async () => {
      for (; written < up.length; written += 65_536) await tunnel.write(up.subarray(written, written + 65_536));
      tunnel.end();
    })();
    sent.catch(() => {});
    await settled(async () => (await end.stats()).bytesIn);
    const { bytesIn } = await end.stats();
    assert.ok(written < up.length, "the client was never held back");
    assert.ok(written - bytesIn < MIB, `${written - bytesIn} bytes taken from the client`);
    assert.equal(await sha256(await readAll(conn)), await sha256(up));
    await sent;
    await conn.closeWrite();
    await tunnel.body;
  });

  test("a stalled tunnel does not stop its neighbours", async ({ app, client }) => {
    client.tunnel("app", true);
    const stalled = await app.accept();
    writeAll(stalled, new Uint8Array(24 * MIB)).catch(() => {});
    await pause(200);
    const tunnel = client.tunnel();
    const conn = await app.accept();
    tunnel.end();
    const down = randomBytes(MIB);
    await writeAll(conn, down);
    conn.close();
    assert.equal(await sha256(await tunnel.body), await sha256(down));
    stalled.close();
  });

  test("answers 404 for a port that is not declared, 405 for another method, 503 for a refused connection", async ({ client }) => {
    for (
      const [method, path, status] of [
        ["POST", "/_hbone/22", 404],
        ["POST", "/_hbone/", 404],
        ["POST", "/_hbone/app/../down", 404],
        ["GET", "/_hbone/app", 405],
        ["PUT", "/_hbone/15003", 405],
        ["POST", "/_hbone/down", 503],
        ["GET", "/", 503],
      ] as const
    ) {
      const refused = client.request({ ":method": method, ":path": path });
      refused.end();
      assert.equal(await refused.status, status, `${method} ${path}`);
      assert.ok((await refused.body).length > 0, "a short text says why");
    }
  });

  test("2,000 short tunnels leave nothing behind", async ({ end, app, client }) => {
    const serving = app.serve(echo);
    const round = async () => {
      const tunnel = client.tunnel();
      await tunnel.write(new Uint8Array([7]));
      tunnel.end();
      assert.deepEqual([...await tunnel.body], [7]);
    };
    let rssBefore = 0;
    for (let batch = 0; batch < 40; batch++) {
      if (batch === 15) rssBefore = Deno.memoryUsage().rss;
      await Promise.all(Array.from({ length: 50 }, round));
    }
    const grownBytes = Deno.memoryUsage().rss - rssBefore;
    assert.ok(grownBytes < 40 * MIB, `grew by ${grownBytes} bytes over 1,250 tunnels, client included`);
    await until(async () => (await end.stats()).tunnelsOpen === 0, "tunnels gone");
    assert.equal((await end.stats()).tunnelsTotal, 2_000);
    await app[Symbol.asyncDispose]().catch(() => {});
    await serving;
  });

  test("200 tunnels at once stay open while idle and still work then", async ({ end, app, client }) => {
    const serving = app.serve(echo);
    const tunnels = Array.from({ length: 200 }, () => client.tunnel());
    for (const tunnel of tunnels) assert.equal(await tunnel.status, 200);
    await pause(300);
    assert.equal((await end.stats()).tunnelsOpen, 200);
    for (const tunnel of tunnels) {
      await tunnel.write(new Uint8Array([1, 2]));
      tunnel.end();
      assert.deepEqual([...await tunnel.body], [1, 2]);
    }
    await app[Symbol.asyncDispose]().catch(() => {});
    await serving;
  });

  test("drain lets an open tunnel finish and takes no new one", async ({ end, app, client }) => {
    const tunnel = client.tunnel();
    const conn = await app.accept();
    assert.equal(await tunnel.status, 200);
    const drained = end.drain(5_000);
    await pause(50);
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: end.port }), Deno.errors.ConnectionRefused);
    await tunnel.write(new Uint8Array(3));
    tunnel.end();
    assert.equal((await readAll(conn)).length, 3);
    conn.close();
    assert.equal((await tunnel.body).length, 0);
    await drained;
  });

  test("disposal ends open tunnels by a reset", async ({ end, app, client }) => {
    const tunnel = client.tunnel();
    const conn = await app.accept();
    assert.equal(await tunnel.status, 200);
    await end[Symbol.asyncDispose]();
    await assert.rejects(readAll(conn), Deno.errors.ConnectionReset);
    close(conn);
  });

  return cases;
})();

/** Waits until a count has not moved for 300 ms. */
async function settled(count: () => Promise<number>): Promise<void> {
  for (let last = -1, same = 0; same < 6;) {
    await pause(50);
    const now = await count();
    same = now === last && now > 0 ? same + 1 : 0;
    last = now;
  }
}
