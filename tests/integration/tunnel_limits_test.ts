/** What a peer may take of the tunnel's end before it gives anything. */
import assert from "node:assert/strict";
import { ErrorCode, frame, FrameType } from "../../lib/http2/mod.ts";
import { krunTunnel, type TunnelEnd, type TunnelLimits } from "../../lib/tunnel/mod.ts";
import { goAway, RawHttp2 } from "./tunnel_raw.ts";
import { close, pause, readAll, writeAll } from "./tunnel_peers.ts";

function serve(limits: TunnelLimits): Promise<TunnelEnd> {
  return krunTunnel.serve({ port: 0, hostname: "127.0.0.1", routes: new Map(), appPort: 1, limits });
}

function connect(port: number): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

Deno.test("limits: a connection without a first request is closed in time, whatever it has begun", async () => {
  await using end = await serve({ firstRequestMs: 150 });
  for (const begun of ["", "PRI * HT", "GET / HTTP/1.1\r\nhost: a\r\n", "GET"]) {
    const conn = await connect(end.port);
    await writeAll(conn, new TextEncoder().encode(begun));
    const startMs = performance.now();
    await readAll(conn).catch(() => {});
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs > 100 && tookMs < 1_000, `"${begun}" was closed after ${tookMs.toFixed()} ms`);
    conn.close();
  }
  await using http2 = await RawHttp2.connect(end.port);
  await http2.untilEnded();
  assert.equal(goAway(http2.of(FrameType.GOAWAY)[0]!).code, ErrorCode.NO_ERROR);
});

Deno.test("limits: after its first request a connection may idle", async () => {
  await using end = await serve({ firstRequestMs: 100 });
  await using client = await RawHttp2.connect(end.port);
  await client.headers(1, "/_hbone/none");
  await client.untilSeen(FrameType.HEADERS);
  await pause(300);
  assert.equal(client.ended, false);
  await client.headers(3, "/_hbone/none");
  await client.untilSeen(FrameType.HEADERS, 2);
});

Deno.test("limits: one connection more than allowed is closed at once, and has room again when another has gone", async () => {
  await using end = await serve({ connections: 3 });
  const conns = [await connect(end.port), await connect(end.port), await connect(end.port)];
  await pause(20);
  const fourth = await connect(end.port);
  assert.equal((await readAll(fourth).catch(() => new Uint8Array())).length, 0, "closed without a word");
  fourth.close();
  conns.pop()!.close();
  await pause(20);
  await using client = await RawHttp2.connect(end.port);
  await client.headers(1, "/_hbone/none");
  await client.untilSeen(FrameType.HEADERS);
  conns.forEach(close);
});

Deno.test("limits: a header block that trickles in ends its connection", async () => {
  await using end = await serve({ headerBlockMs: 150 });
  await using client = await RawHttp2.connect(end.port);
  await client.headers(1, "/_hbone/none");
  await client.untilSeen(FrameType.HEADERS);
  await client.headers(3, "/", 0);
  for (let i = 0; i < 10 && !client.ended; i++) {
    await pause(40);
    await client.send(frame(FrameType.CONTINUATION, 0, 3, new Uint8Array())).catch(() => {});
  }
  await client.untilEnded();
  assert.deepEqual(goAway(client.of(FrameType.GOAWAY)[0]!).code, ErrorCode.ENHANCE_YOUR_CALM);
});
