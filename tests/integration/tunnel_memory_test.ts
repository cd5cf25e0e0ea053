/** What tunnels hold while they stall, and what they leave when they have gone; the end is a process of its own, so its memory is its own. */
import assert from "node:assert/strict";
import { Http2Client, type Http2Stream } from "../../lib/http2/mod.ts";
import { App, close, echo, pause, writeAll } from "./tunnel_peers.ts";
import { post } from "./tunnel_suite.ts";

const MIB = 1_048_576;

interface Running extends AsyncDisposable {
  port: number;
  residentBytes(): number;
}

async function startEnd(appPort: number): Promise<Running> {
  const program = new URL("../bench/tunnel_end.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    // Without a limit V8 lets garbage pile up to 140 MB before it looks; with one, what is held shows.
    args: [
      "run",
      "--no-check",
      "--v8-flags=--max-old-space-size=64",
      "--allow-net",
      "--allow-ffi",
      program,
      "krun",
      String(appPort),
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const port = Number(new TextDecoder().decode((await reader.read()).value));
  return {
    port,
    residentBytes: () =>
      Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${child.pid}/status`))![1]) * 1_024,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

async function connect(port: number): Promise<Http2Client> {
  return new Http2Client(await Deno.connect({ hostname: "127.0.0.1", port }));
}

async function open(client: Http2Client): Promise<Http2Stream> {
  const { stream, answer } = client.request(post("/_hbone/app"), false, () => {});
  assert.equal((await answer).status, 200);
  return stream;
}

async function echoOnce(stream: Http2Stream): Promise<void> {
  await stream.write(Uint8Array.of(7));
  const bytes = await stream.read();
  assert.equal(bytes![0], 7);
  stream.taken(1);
}

Deno.test(
  { name: "memory: 20,000 short tunnels leave less than 16 MiB", ignore: Deno.build.os !== "linux" },
  async () => {
    await using app = new App();
    const serving = app.serve(echo);
    {
      await using end = await startEnd(app.port);
      const client = await connect(end.port);
      let left = 20_000;
      let settledBytes = 0;
      await Promise.all(Array.from({ length: 32 }, async () => {
        while (left-- > 0) {
          const stream = await open(client);
          await echoOnce(stream);
          stream.end();
          assert.equal(await stream.read(), null);
          if (left === 8_000) settledBytes = end.residentBytes();
        }
      }));
      const grownBytes = end.residentBytes() - settledBytes;
      assert.ok(settledBytes > 0 && grownBytes < 16 * MIB, `grew by ${grownBytes} bytes over the last 8,000`);
      await client.close();
    }
    await app[Symbol.asyncDispose]();
    await serving;
  },
);

for (const direction of ["up", "down"] as const) {
  Deno.test({
    name:
      `memory: 255 streams of a connection that stall ${direction} take less than 40 MiB, and the 256th still works`,
    ignore: Deno.build.os !== "linux",
  }, async () => {
    await using app = new App();
    await using end = await startEnd(app.port);
    const client = await connect(end.port);
    const live = await open(client);
    const liveApp = await app.accept();
    const serving = echo(liveApp).catch(() => {});
    await echoOnce(live);
    const streams: Http2Stream[] = [];
    // More than the windows of the way hold; upwards, the sockets' buffers take a part before the app's side is full.
    const piece = new Uint8Array(direction === "up" ? 4 * MIB : MIB / 2);
    for (let i = 0; i < 255; i++) {
      streams.push(await open(client));
      const conn = await app.accept();
      if (direction === "down") writeAll(conn, piece).catch(() => {});
    }
    const beforeBytes = end.residentBytes();
    if (direction === "up") { for (const stream of streams) stream.write(piece).catch(() => {}); }
    let bytes = 0;
    for (let same = 0; same < 3;) {
      await pause(100);
      const now = end.residentBytes();
      same = Math.abs(now - bytes) < MIB ? same + 1 : 0;
      bytes = now;
    }
    assert.ok(bytes - beforeBytes < 40 * MIB, `${((bytes - beforeBytes) / MIB).toFixed(1)} MiB more than while idle`);
    await echoOnce(live);
    const sent = live.write(new Uint8Array(MIB)).then(() => live.end());
    let received = 0;
    for (let piece = await live.read(); piece; piece = await live.read()) {
      received += piece.length;
      live.taken(piece.length);
    }
    await sent;
    assert.equal(received, MIB);
    await client.close();
    close(liveApp);
    await serving;
  });
}
