/** What a SIGTERM may cost: no accepted request, no byte, and no time where nothing is open. */
import assert from "node:assert/strict";
import { ErrorCode, Flag, frame, FrameType, Http2Client, readUint32 } from "../../lib/http2/mod.ts";
import { krunTunnel, type TunnelEnd } from "../../lib/tunnel/mod.ts";
import { goAway, RawHttp2 } from "./tunnel_raw.ts";
import { App, close, pause, randomBytes, readAll, writeAll } from "./tunnel_peers.ts";
import { post } from "./tunnel_suite.ts";

function serve(appPort: number): Promise<TunnelEnd> {
  return krunTunnel.serve({ port: 0, hostname: "127.0.0.1", routes: new Map([["app", appPort]]), appPort });
}

async function connect(port: number): Promise<Http2Client> {
  return new Http2Client(await Deno.connect({ hostname: "127.0.0.1", port }));
}

async function took(run: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await run();
  return performance.now() - startMs;
}

Deno.test("drain: no time where nothing is open, with an idle connection or without", async () => {
  for (const idle of [0, 1, 5]) {
    const tries: number[] = [];
    for (let i = 0; i < 3; i++) {
      await using end = await serve(1);
      const clients = await Promise.all(Array.from({ length: idle }, () => connect(end.port)));
      for (const client of clients) await client.request(post("/_hbone/none"), true, () => {}).answer;
      tries.push(await took(() => end.drain(5_000)));
      for (const client of clients) await client.close();
    }
    assert.ok(Math.min(...tries) < 20, `${tries.map((ms) => ms.toFixed(1))} ms with ${idle} idle connections`);
  }
});

Deno.test("drain: a request that races the first GOAWAY is served; the second names it as the last", async () => {
  await using end = await serve(1);
  await using client = await RawHttp2.connect(end.port);
  await client.headers(1, "/_hbone/none");
  await client.untilSeen(FrameType.HEADERS);
  const drained = end.drain(5_000);
  assert.deepEqual(goAway(await client.untilSeen(FrameType.GOAWAY)), { lastStreamId: 0x7fffffff, code: 0 });
  await client.headers(3, "/_hbone/none");
  const { payload } = await client.untilSeen(FrameType.PING);
  await client.send(frame(FrameType.PING, Flag.ACK, 0, payload));
  assert.deepEqual(goAway(await client.untilSeen(FrameType.GOAWAY, 2)), { lastStreamId: 3, code: 0 });
  assert.deepEqual(client.of(FrameType.HEADERS).map(({ streamId }) => streamId), [1, 3]);
  await client.untilEnded();
  await client[Symbol.asyncDispose]();
  await drained;
});

Deno.test("drain: after the second GOAWAY a stream is refused, and its number stays above the last one named", async () => {
  await using app = new App();
  await using end = await serve(app.port);
  await using client = await RawHttp2.connect(end.port);
  await client.headers(1, "/_hbone/app", Flag.END_HEADERS);
  const conn = await app.accept();
  const drained = end.drain(5_000);
  // The PING is not answered: the second step comes all the same.
  assert.equal(goAway(await client.untilSeen(FrameType.GOAWAY, 2)).lastStreamId, 1);
  await client.headers(3, "/_hbone/app");
  const refused = await client.untilSeen(FrameType.RST_STREAM);
  assert.deepEqual([refused.streamId, readUint32(refused.payload, 0)], [3, ErrorCode.REFUSED_STREAM]);
  await client.send(frame(FrameType.SETTINGS, 0, 1, new Uint8Array()));
  const last = goAway(await client.untilSeen(FrameType.GOAWAY, 3));
  assert.deepEqual(last, { lastStreamId: 1, code: ErrorCode.PROTOCOL_ERROR }, "it never grows");
  await assert.rejects(readAll(conn), Deno.errors.ConnectionReset);
  await drained;
});

Deno.test("drain: requests to the app that were accepted are answered, over HTTP/1.1 and HTTP/2", async () => {
  const go = Promise.withResolvers<void>();
  let seen = 0;
  await using app = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
    seen++;
    await go.promise;
    return new Response("whole");
  });
  await using end = await serve(app.addr.port);
  const http1 = await Deno.connect({ hostname: "127.0.0.1", port: end.port });
  await writeAll(http1, new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
  const http2 = await connect(end.port);
  const { stream, answer } = http2.request(post("/x"), true, () => {});
  while (seen < 2) await pause(5);
  const drained = end.drain(5_000);
  await pause(250);
  go.resolve();
  assert.match(new TextDecoder().decode(await readAll(http1)), /^HTTP\/1.1 200 OK\r\n[^]*whole$/);
  http1.close();
  assert.equal((await answer).status, 200);
  assert.equal(new TextDecoder().decode((await stream.read())!), "whole");
  stream.taken(5);
  assert.equal(await stream.read(), null);
  const tookMs = await took(() => drained);
  assert.ok(tookMs < 500, `${tookMs} ms after the last answer`);
  await http2.close();
});

Deno.test("drain: requests that the app never answers are cut when the time is over, over HTTP/1.1 and HTTP/2", async () => {
  using app = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using end = await serve((app.addr as Deno.NetAddr).port);
  const http1 = await Deno.connect({ hostname: "127.0.0.1", port: end.port });
  await writeAll(http1, new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
  const http2 = await connect(end.port);
  const { answer } = http2.request(post("/x"), true, () => {});
  answer.catch(() => {});
  const asked: Deno.Conn[] = [];
  while (asked.length < 2) asked.push(await app.accept());
  const tookMs = await took(() => end.drain(200));
  assert.ok(tookMs < 700, `${tookMs} ms`);
  assert.equal((await readAll(http1).catch(() => [])).length, 0);
  [http1, ...asked].forEach(close);
  await http2.close();
});

Deno.test("drain: a request of a connection that had said nothing yet is answered if it comes at once", async () => {
  await using end = await serve(1);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: end.port });
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: end.port });
  await pause(20);
  const drained = end.drain(5_000);
  await writeAll(conn, new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
  assert.match(new TextDecoder().decode(await readAll(conn)), /^HTTP\/1.1 503 /);
  assert.equal((await readAll(silent)).length, 0);
  [conn, silent].forEach(close);
  await drained;
});

Deno.test("drain: a tunnel's last bytes reach a client that keeps on writing frames", async () => {
  await using app = new App();
  await using end = await serve(app.port);
  const client = await connect(end.port);
  const { stream, answer } = client.request(post("/_hbone/app"), true, () => {});
  const conn = await app.accept();
  await answer;
  const drained = end.drain(5_000);
  const down = randomBytes(8 * 1_048_576);
  const sent = writeAll(conn, down).then(() => conn.close());
  let received = 0;
  for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
    received += bytes.length;
    stream.taken(bytes.length);
    if (received % 10 === 0) await pause(1);
  }
  assert.equal(received, down.length);
  await sent;
  await drained;
  await client.close();
});

Deno.test("drain: a tunnel that does not end is reset at the limit", async () => {
  await using app = new App();
  await using end = await serve(app.port);
  const client = await connect(end.port);
  const { stream, answer } = client.request(post("/_hbone/app"), false, () => {});
  const conn = await app.accept();
  await answer;
  const tookMs = await took(() => end.drain(200));
  assert.ok(tookMs >= 199 && tookMs < 800, `${tookMs} ms`);
  await assert.rejects(readAll(conn), Deno.errors.ConnectionReset);
  await assert.rejects(stream.read());
  await client.close();
});
