/** What is no tunnel goes to the app: over HTTP/1.1 and HTTP/2, without headers that only the mesh may write. */
import http from "node:http";
import http2 from "node:http2";
import assert from "node:assert/strict";
import { krunTunnel, type TunnelEnd } from "../../lib/tunnel/mod.ts";
import { App, Client, echo, randomBytes, readAll, sha256, writeAll } from "./tunnel_peers.ts";

const SPOOFED = {
  "x-forwarded-client-cert": "By=spiffe://a",
  "x_forwarded_client_cert": "By=spiffe://a",
  "x-envoy-peer-metadata": "a",
  "x-istio-attributes": "a",
  "x-krun-identity": "a",
  "client-cert": ":YQ==:",
};
const KEPT = {
  "x-forwarded-for": "192.0.2.1",
  "x-forwarded-proto": "https",
  traceparent: "00-a-b-01",
  authorization: "Bearer of-the-caller",
  baggage: "k=v",
};

function serve(appPort: number): Promise<TunnelEnd> {
  return krunTunnel.serve({ port: 0, hostname: "127.0.0.1", routes: new Map(), appPort });
}

/** Answers with the request as JSON. */
async function reflecting(request: Request): Promise<Response> {
  const body = await request.bytes();
  return Response.json(
    {
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      body: await sha256(body),
    },
    { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] },
  );
}

Deno.test("reverse proxy: an HTTP/2 request reaches an HTTP/1.1 app whole, without what only the mesh may write", async () => {
  await using app = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, reflecting);
  await using end = await serve(app.addr.port);
  await using client = new Client(end.port);
  const body = randomBytes(300_000);
  const request = client.request({
    ":method": "PUT",
    ":path": "/a?b=c",
    ":authority": "svc-abc.a.run.app",
    ...SPOOFED,
    ...KEPT,
    cookie: "x=1",
  });
  let cookies: unknown;
  request.stream.on("response", (fields) => cookies = fields["set-cookie"]);
  await request.write(body);
  request.end();
  const seen = JSON.parse(new TextDecoder().decode(await request.body));
  assert.equal(seen.method, "PUT");
  assert.equal(seen.url, "http://svc-abc.a.run.app/a?b=c");
  assert.equal(seen.body, await sha256(body));
  for (const [name, value] of Object.entries(KEPT)) assert.equal(seen.headers[name], value, name);
  for (const name of Object.keys(SPOOFED)) assert.ok(!(name in seen.headers), name);
  assert.deepEqual(cookies, ["a=1", "b=2"]);
});

Deno.test("reverse proxy: an HTTP/1.1 request is served, with the same headers removed", async () => {
  await using app = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, reflecting);
  await using end = await serve(app.addr.port);
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("in "));
      controller.enqueue(new TextEncoder().encode("pieces"));
      controller.close();
    },
  });
  const response = await fetch(`http://127.0.0.1:${end.port}/x`, {
    method: "POST",
    body,
    headers: { ...SPOOFED, ...KEPT },
  });
  const seen = await response.json();
  assert.equal(seen.body, await sha256(new TextEncoder().encode("in pieces")));
  assert.equal(seen.headers.host ?? new URL(seen.url).host, `127.0.0.1:${end.port}`);
  assert.equal(seen.headers.authorization, KEPT.authorization);
  for (const name of Object.keys(SPOOFED)) assert.ok(!(name in seen.headers), name);
});

Deno.test("reverse proxy: HEAD, 204 and a large answer without length", async () => {
  const large = randomBytes(2_000_000);
  await using app = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url }) => url.endsWith("/204") ? new Response(null, { status: 204 }) : new Response(new Blob([large]).stream()),
  );
  await using end = await serve(app.addr.port);
  await using client = new Client(end.port);
  for (
    const [method, path, status, length] of [["HEAD", "/", 200, 0], ["GET", "/204", 204, 0], [
      "GET",
      "/",
      200,
      large.length,
    ]] as const
  ) {
    const request = client.request({ ":method": method, ":path": path });
    request.end();
    assert.equal(await request.status, status);
    assert.equal((await request.body).length, length);
  }
});

Deno.test("reverse proxy: gRPC streams both ways as h2c, with its trailers", async () => {
  const server = http2.createServer();
  server.on("stream", (opened, headers) => {
    const stream = opened as http2.ServerHttp2Stream;
    stream.on("error", () => {});
    if (headers[":path"] === "/only-trailers") {
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" }, { endStream: true });
      return;
    }
    stream.respond({
      ":status": 200,
      "content-type": "application/grpc",
      "x-seen": String(headers["x-envoy-original-path"]),
    }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "fine" }));
    stream.on("data", (piece) => stream.write(piece));
    stream.on("end", () => stream.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  {
    await using end = await serve((server.address() as { port: number }).port);
    await using client = new Client(end.port);
    const call = (path: string) => {
      const request = client.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc+proto",
        te: "trailers",
        "x-envoy-original-path": "/x",
      });
      const trailers = new Promise<http2.IncomingHttpHeaders>((resolve) => request.stream.on("trailers", resolve));
      const head = new Promise<http2.IncomingHttpHeaders>((resolve) => request.stream.on("response", resolve));
      return { request, trailers, head };
    };
    const { request, trailers, head } = call("/pkg.Service/Call");
    await request.write(new Uint8Array(10));
    assert.equal((await head)["x-seen"], "undefined", "the spoofed header is gone");
    while (request.received() < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    await request.write(new Uint8Array(200_000));
    request.end();
    assert.equal((await request.body).length, 200_010);
    const { "grpc-status": status, "grpc-message": message } = await trailers;
    assert.deepEqual({ status, message }, { status: "0", message: "fine" });
    const only = call("/only-trailers");
    only.request.end();
    assert.equal((await only.head)["grpc-status"], "12");
  }
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("HTTP/1.1: a WebSocket passes, with frames both ways", async () => {
  await using app = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => socket.send(`echo ${data}`);
    return response;
  });
  await using end = await serve(app.addr.port);
  const socket = new WebSocket(`ws://127.0.0.1:${end.port}/`);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  const answer = await new Promise((resolve, reject) => {
    socket.onopen = () => socket.send("hello");
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = reject;
  });
  assert.equal(answer, "echo hello");
  socket.close();
  await closed;
});

Deno.test("HTTP/1.1: refusals and messages that two servers could read differently", async () => {
  await using app = new App();
  const serving = app.serve(echo);
  await using end = await serve(app.port);
  await using down = await serve(1);
  const answerTo = async (port: number, text: string) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(conn, new TextEncoder().encode(text));
    const answer = new TextDecoder().decode(await readAll(conn).catch(() => new Uint8Array()));
    conn.close();
    return Number(answer.split(" ")[1] ?? 0);
  };
  const head = "POST / HTTP/1.1\r\nhost: a\r\n";
  for (
    const [text, status] of [
      ["POST /_hbone/15003 HTTP/1.1\r\nhost: a\r\n\r\n", 426],
      [`${head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
      [`${head}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd`, 400],
      [`${head}transfer-encoding : chunked\r\n\r\n`, 400],
      [`${head}a: b\r\n folded\r\n\r\n`, 400],
      [`${head}a: b\n\r\n`, 400],
      [`${head}a: ${"b".repeat(70_000)}\r\n\r\n`, 431],
      ["INVALID CONNECTION PREFACE\r\n\r\n", 0],
    ] as const
  ) {
    assert.equal(await answerTo(end.port, text), status, text.slice(0, 60));
  }
  assert.equal(await answerTo(down.port, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), 503);
  assert.equal(await answerTo(end.port, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), 502, "an app that does not speak HTTP");
  await app[Symbol.asyncDispose]();
  await serving;
});

Deno.test("HTTP/1.1: an answer of an app that keeps its connection open is complete", async () => {
  const app = http.createServer((_, response) => {
    response.setHeader("connection", "keep-alive");
    response.setHeader("trailer", "x-sum");
    response.write("abc");
    response.addTrailers({ "x-sum": "6" });
    response.end("def");
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", () => resolve()));
  {
    await using end = await serve((app.address() as { port: number }).port);
    const response = await fetch(`http://127.0.0.1:${end.port}/`);
    assert.equal(await response.text(), "abcdef");
    await using client = new Client(end.port);
    const request = client.request({ ":method": "GET", ":path": "/" });
    const trailers = new Promise<http2.IncomingHttpHeaders>((resolve) => request.stream.on("trailers", resolve));
    request.end();
    assert.equal((await request.body).length, 6);
    assert.equal((await trailers)["x-sum"], "6");
  }
  await new Promise((resolve) => app.close(resolve));
});
