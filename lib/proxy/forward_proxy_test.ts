import assert from "node:assert/strict";
import { startForwardProxy } from "./forward_proxy.ts";

async function withProxy(test: (port: number) => Promise<void>): Promise<void> {
  await using proxy = await startForwardProxy({ port: 0 });
  await test(proxy.port);
}

const connectTo = (port: number) => Deno.connect({ hostname: "127.0.0.1", port });

async function readAll(conn: Deno.Conn): Promise<string> {
  return await new Response(conn.readable).text();
}

/** What the proxy answers to these bytes, until it or the other side closes. */
async function exchange(port: number, bytes: string): Promise<string> {
  const conn = await connectTo(port);
  await conn.write(new TextEncoder().encode(bytes));
  return await readAll(conn);
}

Deno.test("forward proxy: absolute-form; headers of the connection stay on it, Host is the target's", () =>
  withProxy(async (port) => {
    let seen: Record<string, string> = {};
    await using origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      seen = Object.fromEntries(request.headers);
      return new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`, {
        headers: { "x-of": "app" },
      });
    });
    const target = `127.0.0.1:${origin.addr.port}`;
    const answer = await exchange(
      port,
      `POST http://${target}/a/b HTTP/1.1\r\nhost: other\r\nx-mine: 1\r\nx-hop: 2\r\nproxy-authorization: Basic x\r\n` +
        "connection: close, x-hop\r\ncontent-length: 4\r\n\r\nbody",
    );
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, /x-of: app\r\n/i);
    assert(answer.includes("POST /a/b body"), answer);
    assert.deepEqual([seen["host"], seen["x-mine"], seen["x-hop"], seen["proxy-authorization"]], [
      target,
      "1",
      undefined,
      undefined,
    ]);
  }));

const REFUSED: [name: string, request: string, answer: RegExp][] = [
  [
    "a path alone",
    "GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    /^HTTP\/1\.1 400 [\s\S]*krun: a forward proxy takes absolute http:\/\/ URLs and CONNECT\n/,
  ],
  ["https in absolute form", "GET https://a/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", /^HTTP\/1\.1 400 /],
  ["CONNECT without a port", "CONNECT a HTTP/1.1\r\nhost: a\r\n\r\n", /^HTTP\/1\.1 400 Bad Request\r\n/],
  ["CONNECT to a port that is none", "CONNECT a:99999 HTTP/1.1\r\nhost: a\r\n\r\n", /^HTTP\/1\.1 400 Bad Request\r\n/],
  ["CONNECT to port 0", "CONNECT 127.0.0.1:0 HTTP/1.1\r\nhost: a\r\n\r\n", /^HTTP\/1\.1 400 Bad Request\r\n/],
];
for (const [name, request, answer] of REFUSED) {
  Deno.test(`forward proxy: ${name}`, () =>
    withProxy(async (port) => assert.match(await exchange(port, request), answer)));
}

Deno.test("forward proxy: nobody there is 503, by both ways", () =>
  withProxy(async (port) => {
    const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const target = `127.0.0.1:${gone.addr.port}`;
    gone.close();
    assert.match(
      await exchange(port, `GET http://${target}/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`),
      new RegExp(`^HTTP/1\\.1 503 [\\s\\S]*krun: cannot reach ${target}: `),
    );
    assert.match(
      await exchange(port, `CONNECT ${target} HTTP/1.1\r\nhost: a\r\n\r\n`),
      /^HTTP\/1\.1 503 Service Unavailable\r\n/,
    );
  }));

async function tunnelTo(port: number, target: number): Promise<Deno.TcpConn> {
  const conn = await connectTo(port);
  await conn.write(new TextEncoder().encode(`CONNECT 127.0.0.1:${target} HTTP/1.1\r\nhost: a\r\n\r\n`));
  const buffer = new Uint8Array(1_000);
  const count = await conn.read(buffer);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, count!)), "HTTP/1.1 200 Connection Established\r\n\r\n");
  return conn;
}

Deno.test("forward proxy: CONNECT, the client ends first and still gets the answer", () =>
  withProxy(async (port) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const served = (async () => {
      const conn = await listener.accept();
      const asked = await new Response(conn.readable.pipeThrough(new TransformStream(), { preventCancel: true })).text()
        .catch(() => "");
      return asked;
    })();
    const conn = await tunnelTo(port, listener.addr.port);
    await conn.write(new TextEncoder().encode("question"));
    await conn.closeWrite();
    assert.equal(await served, "question");
    conn.close();
  }));

Deno.test("forward proxy: CONNECT, a slow reader gets every byte, and the writer is held back", () =>
  withProxy(async (port) => {
    const whole = 24 << 20;
    let sentBytes = 0;
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const sent = (async () => {
      const conn = await listener.accept();
      const part = new Uint8Array(64 << 10);
      while (sentBytes < whole) {
        sentBytes += await conn.write(part.subarray(0, Math.min(part.length, whole - sentBytes)));
      }
      conn.close();
    })();
    const conn = await tunnelTo(port, listener.addr.port);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert(sentBytes < whole, `${sentBytes} bytes were taken though nobody reads`);
    let read = 0;
    const buffer = new Uint8Array(256 << 10);
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) read += count;
    assert.equal(read, whole);
    await sent;
    conn.close();
  }));

Deno.test("forward proxy: disposing ends open tunnels; a taken port is a Problem", async () => {
  const proxy = await startForwardProxy({ port: 0 });
  await assert.rejects(startForwardProxy({ port: proxy.port }), {
    message: `listen on 127.0.0.1:${proxy.port} for the app's HTTP_PROXY\n  got: the port is taken\n` +
      `  do: end the process that has it (ss -ltnp 'sport = :${proxy.port}')`,
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conn = await tunnelTo(proxy.port, listener.addr.port);
  using _other = await listener.accept();
  await proxy[Symbol.asyncDispose]();
  assert.equal(await conn.read(new Uint8Array(1)).catch(() => null), null);
  conn.close();
});
