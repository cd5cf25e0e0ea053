/**
 * Both ends of a request through the gate, one program: `mesh-peer serve` is the app behind krun, on `PORT`; the other words are what the
 * injected pod runs against it, each prints one line of JSON.
 *   mesh-peer take URL BYTES | send URL BYTES      upload or download of `pattern`: `{"sum": "<bytes> <sha256>"}`
 *   mesh-peer hold URL COUNT [OF]                   COUNT requests at once, none answered before OF are there (by default those): `{"answered": N}`
 *   mesh-peer websocket URL COUNT                   messages there and back: `{"echoed": N}`
 *   mesh-peer grpc HOST:PORT COUNT                  a bidirectional stream, each message after the answer to the one before
 *   mesh-peer http2 HOST:PORT COUNT                 requests at once on one connection
 */
import { createHash } from "node:crypto";
import {
  Http2Client,
  Http2Connection,
  type Http2Stream,
  PREFACE,
  type RequestHead,
  ServerRole,
} from "../../lib/http2/mod.ts";
import { pattern } from "./pattern.ts";

/** Requests that are on their way: handshakes of thousands would outlast the 10 s that a proxy waits for a connection. */
const MOST_ON_THEIR_WAY = 50;

const [word, target = "", number = "0", of = number] = Deno.args;
const CLIENTS: Record<string, () => Promise<object>> = {
  take: async () =>
    await (await fetch(`${target}/take`, { method: "POST", body: patternStream(Number(number)) })).json(),
  send: async () => ({ sum: await sumOf((await fetch(`${target}/send?bytes=${number}`)).body!) }),
  hold: () => hold(target, Number(number), of),
  websocket: () => webSocket(target, Number(number)),
  grpc: () => grpc(target, Number(number)),
  http2: () => http2(target, Number(number)),
};

if (word === "serve") serve();
else {
  const client = CLIENTS[word ?? ""];
  if (!client) throw new Error(`no such word: ${word}`);
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(await client()) + "\n"));
  Deno.exit(0);
}

/** HTTP/2 is ours for its trailers, all else is the platform's. */
function serve(): void {
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  const listener = Deno.listen({ port: Number(Deno.env.get("PORT") ?? 8080) });
  void (async () => {
    for await (const connection of listener) take(connection, http.addr.port).catch(() => {});
  })();
}

async function take(connection: Deno.TcpConn, httpPort: number): Promise<void> {
  const first = new Uint8Array(PREFACE.length);
  let count = 0;
  while (count < first.length && (count === 0 || first[0] === PREFACE[0])) {
    const more = await connection.read(first.subarray(count));
    if (more === null) return connection.close();
    count += more;
  }
  if (first.every((byte, at) => byte === PREFACE[at])) {
    return await new Http2Connection(connection, new ServerRole(answerHttp2)).run();
  }
  const inner = await Deno.connect({ hostname: "127.0.0.1", port: httpPort });
  await inner.write(first.subarray(0, count));
  await Promise.allSettled([
    connection.readable.pipeTo(inner.writable),
    inner.readable.pipeTo(connection.writable),
  ]);
}

const held: (() => void)[] = [];

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const bytes = Number(url.searchParams.get("bytes"));
  switch (url.pathname) {
    case "/take":
      return Response.json({ sum: await sumOf(request.body!) });
    case "/send":
      return new Response(patternStream(bytes));
    case "/hold": {
      const count = Number(url.searchParams.get("count"));
      await new Promise<void>((resolve) => {
        held.push(resolve);
        if (held.length >= count) { for (const release of held.splice(0)) release(); }
      });
      return new Response("held\n");
    }
    case "/held":
      return new Response(String(held.length));
    case "/websocket": {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(data);
      return response;
    }
    case "/identity":
      return new Response(request.headers.get("x-forwarded-client-cert") ?? "nobody");
    default:
      return new Response("ready\n");
  }
}

/** gRPC's echo of a stream, and of plain requests; an answer for each DATA as it comes. */
async function answerHttp2(stream: Http2Stream, head: RequestHead, hasBody: boolean): Promise<void> {
  const isGrpc = head.fields.some(([name, value]) => name === "content-type" && value.startsWith("application/grpc"));
  stream.sendHeaders([[":status", "200"], ...(isGrpc ? [["content-type", "application/grpc"] as const] : [])]);
  for (let bytes = hasBody ? await stream.read() : null; bytes !== null; bytes = await stream.read()) {
    await stream.write(bytes.slice());
    stream.taken(bytes.length);
  }
  stream.end(isGrpc ? [["grpc-status", "0"]] : []);
}

function patternStream(bytes: number): ReadableStream<Uint8Array> {
  const blocks = pattern(bytes);
  return new ReadableStream({
    pull(controller) {
      const { value, done } = blocks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

async function sumOf(body: ReadableStream<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  let total = 0;
  for await (const chunk of body) {
    hash.update(chunk);
    total += chunk.length;
  }
  return `${total} ${hash.digest("hex")}`;
}

/** One that is not held ends all: the others would wait for it. */
async function hold(url: string, count: number, of: string): Promise<object> {
  const over = new AbortController();
  const failures: string[] = [];
  let answered = 0;
  const one = async () => {
    try {
      const answer = await fetch(`${url}/hold?count=${of}`, { signal: over.signal });
      const text = (await answer.text()).trim();
      if (answer.status !== 200 || text !== "held") throw new Error(`${answer.status} ${text}`);
      answered++;
    } catch (error) {
      if (!over.signal.aborted) failures.push(String(error));
      over.abort();
    }
  };
  const arrived = async () => Number(await (await fetch(`${url}/held`)).text());
  const before = await arrived();
  const all: Promise<void>[] = [];
  while (all.length < count && !over.signal.aborted) {
    const room = await arrived() - before + MOST_ON_THEIR_WAY - all.length;
    for (let more = Math.min(room, count - all.length); more > 0; more--) all.push(one());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all(all);
  return { answered, ...(failures.length > 0 ? { failures } : {}) };
}

async function webSocket(url: string, count: number): Promise<object> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/websocket`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("no WebSocket"));
  });
  let echoed = 0;
  for (let at = 0; at < count; at++) {
    const back = new Promise<string>((resolve) => socket.onmessage = ({ data }) => resolve(data));
    const message = `${at} ${"x".repeat(at % 2_000)}`;
    socket.send(message);
    if (await back === message) echoed++;
  }
  socket.close();
  return { echoed };
}

async function grpc(authority: string, count: number): Promise<object> {
  const client = await clientOf(authority);
  const { stream, answer } = client.request(
    [[":method", "POST"], [":scheme", "http"], [":path", "/peer.Echo/Chat"], [":authority", authority], [
      "content-type",
      "application/grpc",
    ], ["te", "trailers"]],
    false,
    () => {},
  );
  const received = reader(stream);
  let echoed = 0;
  for (let at = 0; at < count; at++) {
    const message = new Uint8Array(5 + at % 3_000);
    new DataView(message.buffer).setUint32(1, message.length - 5);
    message.fill(at & 0xff, 5);
    await stream.write(message);
    const back = await received(message.length);
    if (back.every((byte, index) => byte === message[index])) echoed++;
  }
  stream.end();
  const { status } = await answer;
  const rest = await stream.read();
  return { echoed, status, rest: rest?.length ?? 0, trailers: Object.fromEntries(stream.trailers) };
}

async function http2(authority: string, count: number): Promise<object> {
  const client = await clientOf(authority);
  const answers = await Promise.all(Array.from({ length: count }, async (_, at) => {
    const message = new TextEncoder().encode(`request ${at} `.repeat(100));
    const { stream } = client.request(
      [[":method", "POST"], [":scheme", "http"], [":path", "/echo"], [":authority", authority]],
      false,
      () => {},
    );
    await stream.write(message);
    stream.end();
    const back = await reader(stream)(message.length);
    return back.every((byte, index) => byte === message[index]) && await stream.read() === null;
  }));
  return { echoed: answers.filter(Boolean).length };
}

async function clientOf(authority: string): Promise<Http2Client> {
  const at = authority.lastIndexOf(":");
  return new Http2Client(
    await Deno.connect({ hostname: authority.slice(0, at), port: Number(authority.slice(at + 1)) }),
  );
}

/** Takes exactly so many bytes off a stream. */
function reader(stream: Http2Stream): (count: number) => Promise<Uint8Array> {
  return async (count) => {
    const whole = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const bytes = await stream.read();
      if (bytes === null) throw new Error(`the stream ended after ${at} of ${count} bytes`);
      const taken = Math.min(bytes.length, count - at);
      whole.set(bytes.subarray(0, taken), at);
      stream.taken(taken);
      at += taken;
    }
    return whole;
  };
}
