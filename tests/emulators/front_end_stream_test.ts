/** The orders of ending that a tunnel depends on, through the front end. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type ServerHttp2Stream,
} from "node:http2";
import { request as requestOverHttp1 } from "node:https";
import type { AddressInfo } from "node:net";
import { krunTunnel } from "../../lib/tunnel/mod.ts";
import { createAuthority } from "./certificates.ts";
import { startFrontEnd } from "./front_end.ts";

const authority = createAuthority("emulated public CA");

/** A front end before a container whose streams are handed to `container`, and a client connected to it. */
async function start(container: (stream: ServerHttp2Stream) => void) {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    container(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as AddressInfo;
  const frontEnd = await startFrontEnd({
    authority,
    jwks: { keys: [] },
    services: { hello: { port, allowUnauthenticated: true } },
    maxConcurrentStreams: 250,
  });
  const session = connect(`https://${frontEnd.host}`, { ca: authority.certificatePem, servername: "hello.a.run.app" });
  session.on("error", () => {});
  const dispose = async () => {
    const gone = new Promise<void>((resolve) => session.once("close", () => resolve()));
    session.destroy();
    await gone;
    await frontEnd[Symbol.asyncDispose]();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const each of sessions) each.destroy();
    await closed;
  };
  return { session, frontEnd, containerSessions: sessions, [Symbol.asyncDispose]: dispose };
}

function request(session: ClientHttp2Session): ClientHttp2Stream {
  const headers = { ":method": "POST", ":scheme": "https", ":authority": "hello.a.run.app", ":path": "/_hbone/15003" };
  const stream = session.request(headers, { endStream: false });
  stream.on("error", () => {});
  return stream;
}

function closeOf(stream: ClientHttp2Stream | ServerHttp2Stream): Promise<number | undefined> {
  return new Promise((resolve) => stream.once("close", () => resolve(stream.rstCode)));
}

Deno.test("front end: the container ends first, the rest of the request still arrives", async () => {
  const arrived = Promise.withResolvers<number>();
  await using world = await start((stream) => {
    let bytes = 0;
    stream.on("data", (chunk: Uint8Array) => bytes += chunk.length);
    stream.on("end", () => arrived.resolve(bytes));
    stream.respond({ ":status": 200 });
    stream.end("bye");
  });
  const stream = request(world.session);
  let text = "";
  stream.on("data", (chunk: Uint8Array) => text += Buffer.from(chunk).toString());
  const closed = closeOf(stream);
  stream.write("first");
  await new Promise<void>((resolve) => stream.on("end", () => resolve()));
  assert.equal(text, "bye");
  stream.end(new Uint8Array(100_000));
  assert.equal(await arrived.promise, 100_005);
  assert.equal(await closed, 0);
});

Deno.test("front end: the client ends first, the rest of the answer still arrives", async () => {
  await using world = await start((stream) => {
    stream.respond({ ":status": 200 });
    stream.write("early ");
    stream.on("data", () => {});
    stream.on("end", () => setTimeout(() => stream.end(Buffer.alloc(300_000, 120)), 20));
  });
  const stream = request(world.session);
  let bytes = 0;
  stream.on("data", (chunk: Uint8Array) => bytes += chunk.length);
  stream.end("question");
  assert.equal(await closeOf(stream), 0);
  assert.equal(bytes, 300_006);
});

Deno.test("front end: a reset of the container is a reset for the client, not an end", async () => {
  await using world = await start((stream) => {
    stream.respond({ ":status": 200 });
    stream.write("part");
    stream.on("data", () => stream.close(8));
  });
  const stream = request(world.session);
  stream.on("data", () => stream.write("go on"));
  assert.notEqual(await closeOf(stream), 0);
  assert.equal(world.frontEnd.faults.requests[0]?.outcome, "reset");
});

Deno.test("front end: a reset of the container cuts an HTTP/1.1 answer off", async () => {
  await using world = await start((stream) => {
    // Without trailers to wait for, Deno 2.9.6 turns `close(8)` after the request's end into a clean end.
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.write("part");
    stream.resume();
    setTimeout(() => stream.close(8), 50);
  });
  const ended = await new Promise<string>((resolve) => {
    const outgoing = requestOverHttp1({
      host: "127.0.0.1",
      port: world.frontEnd.port,
      servername: "hello.a.run.app",
      ca: authority.certificatePem,
      headers: { host: "hello.a.run.app" },
      agent: false,
    }, (incoming) => {
      incoming.resume();
      incoming.on("end", () => resolve("a clean end"));
      incoming.on("error", () => resolve("cut off"));
    });
    outgoing.on("error", () => resolve("cut off"));
    outgoing.end();
  });
  assert.equal(ended, "cut off");
});

Deno.test("front end: a reset of the client reaches the container", async () => {
  const reset = Promise.withResolvers<number | undefined>();
  await using world = await start((stream) => {
    closeOf(stream).then(reset.resolve);
    stream.respond({ ":status": 200 });
    stream.write("part");
    stream.resume();
  });
  const stream = request(world.session);
  stream.on("data", () => stream.close(8));
  assert.equal(await reset.promise, 8);
});

Deno.test("front end: trailers, as gRPC needs them", async () => {
  await using world = await start((stream) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.resume();
    stream.end("message");
  });
  const stream = request(world.session);
  const trailers = new Promise<string>((resolve) =>
    stream.on("trailers", (all) => resolve(String(all["grpc-status"])))
  );
  stream.resume();
  stream.end();
  assert.equal(await trailers, "0");
});

Deno.test("front end: the request timeout ends a tunnel that is open", async () => {
  await using world = await start((stream) => {
    stream.respond({ ":status": 200 });
    stream.write("open");
    stream.resume();
  });
  world.frontEnd.state.requestTimeoutMs = 80;
  const stream = request(world.session);
  stream.resume();
  assert.notEqual(await closeOf(stream), 0);
});

Deno.test("front end: a client that does not read holds the container up", async () => {
  let written = 0;
  await using world = await start((stream) => {
    stream.respond({ ":status": 200 });
    stream.resume();
    const chunk = Buffer.alloc(64 * 1024);
    const fill = () => {
      while (!stream.destroyed && written < 64 * 1024 * 1024) {
        written += chunk.length;
        if (!stream.write(chunk)) return void stream.once("drain", fill);
      }
    };
    fill();
  });
  const stream = request(world.session);
  stream.on("data", () => stream.pause());
  while (written === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.ok(written < 16 * 1024 * 1024, `${written} bytes were taken from the container`);
  stream.close(8);
});

Deno.test("front end: a hundred streams on a connection to the container, the next on another", async () => {
  const open = new Set<ServerHttp2Stream>();
  const allOpen = Promise.withResolvers<void>();
  await using world = await start((stream) => {
    stream.respond({ ":status": 200 });
    stream.resume();
    if (open.add(stream).size === 201) allOpen.resolve();
  });
  const streams = Array.from({ length: 201 }, () => request(world.session));
  const closed = streams.map(closeOf);
  for (const stream of streams) stream.resume();
  await allOpen.promise;
  assert.equal(world.containerSessions.size, 3);
  for (const stream of open) stream.end();
  for (const stream of streams) stream.end();
  assert.deepEqual(new Set(await Promise.all(closed)), new Set([0]));
});

Deno.test("front end: after the container's GOAWAY nothing new comes, and what is open goes on to its end", async () => {
  using app = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echoed = app.accept().then((conn) => conn.readable.pipeTo(conn.writable));
  const tunnel = await krunTunnel.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: new Map([["15003", app.addr.port]]),
    appPort: app.addr.port,
  });
  await using world = await start(() => {});
  world.frontEnd.state.services.hello = { port: tunnel.port, allowUnauthenticated: true };
  const stream = request(world.session);
  let received = 0;
  const answered = new Promise<void>((resolve) => stream.once("data", () => resolve()));
  stream.on("data", (chunk: Uint8Array) => received += chunk.length);
  const closed = closeOf(stream);
  stream.write("before");
  await answered;
  const drained = tunnel.drain(10_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const refused = request(world.session);
  const status = new Promise((resolve) => refused.once("response", (headers) => resolve(headers[":status"])));
  refused.resume();
  refused.end();
  assert.equal(await status, 503);
  stream.end(new Uint8Array(300_000));
  assert.deepEqual([await closed, received], [0, 300_006]);
  await Promise.all([drained, echoed]);
  await tunnel[Symbol.asyncDispose]();
});
