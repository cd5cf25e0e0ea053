import { abort } from "../base/tcp_abort.ts";
import { type AppResponse, exchangeWithApp, writeBody } from "./app_exchange.ts";
import { type Framing, framingFields, readBody, requestFraming } from "./http1/body.ts";
import { ByteReader } from "./http1/byte_reader.ts";
import { Http1Error, NotHttp1 } from "./http1/errors.ts";
import { headBytes, type Http1RequestHead, readRequestHead, valueOf } from "./http1/head.ts";
import { closeQuietly, type Field, writeAll } from "../http2/mod.ts";
import { APP_DOWN } from "./http2_requests.ts";
import { connectLoopback } from "./loopback.ts";
import {
  answerTrailers,
  forwardedRequestFields,
  forwardedRequestTrailers,
  withoutHopByHop,
} from "./request_headers.ts";
import { TUNNEL_PREFIX } from "./route.ts";

/** How long and how much a client may go on sending after its answer. */
const LINGER_MS = 1_000;
const MOST_LINGER_BYTES = 4 * 1_048_576;

/**
 * Answers one HTTP/1.1 request and ends the connection: probes come so, and Cloud Run's front end without `--use-http2`.
 * One request a connection leaves no second one to be smuggled; WebSockets and other upgrades pass.
 *
 * @param holdApp given the connection to the app, which may be closed to end the wait for its answer; returns what lets go of it
 * @param headRead called when the request's head is there
 */
export async function answerHttp1(
  conn: Deno.TcpConn,
  first: Uint8Array,
  appPort: number,
  holdApp: (app: Deno.TcpConn) => () => void,
  headRead: () => void,
): Promise<void> {
  const exchange: Exchange = { conn, reader: new ByteReader(conn, first), answered: false };
  try {
    const head = await readRequestHead(exchange.reader);
    headRead();
    if (!head) return;
    if (head.target.startsWith(TUNNEL_PREFIX)) {
      return await answerText(conn, 426, "tunnels need HTTP/2: deploy with --use-http2\n", [["upgrade", "h2c"]]);
    }
    const framing = requestFraming(head.fields);
    exchange.app = await connectLoopback(appPort).catch(() => undefined);
    if (!exchange.app) return await answerText(conn, 503, APP_DOWN);
    exchange.letGo = holdApp(exchange.app);
    await forward(exchange, exchange.app, head, framing);
  } catch (error) {
    // What follows the start of an answer would be taken for its rest: it stays short, and the client sees that.
    if (exchange.answered) abort(conn);
    else if (error instanceof Http1Error && !(error instanceof NotHttp1)) {
      await answerText(conn, error.status, `${error.message}\n`).catch(() => {});
    }
  } finally {
    if (exchange.app) closeQuietly(exchange.app);
    exchange.letGo?.();
    await closeAfterReading(exchange);
  }
}

interface Exchange {
  conn: Deno.TcpConn;
  reader: ByteReader;
  app?: Deno.TcpConn | undefined;
  letGo?: () => void;
  /** The answer has begun. */
  answered: boolean;
  /** Resolves when nobody reads the request's body any more. */
  requestDone?: Promise<void>;
}

async function forward(
  exchange: Exchange,
  app: Deno.TcpConn,
  head: Http1RequestHead,
  framing: Framing,
): Promise<void> {
  const { conn, reader } = exchange;
  const expected = valueOf(head.fields, "expect")?.toLowerCase();
  if (expected && expected !== "100-continue") throw new Http1Error(417, "only 100-continue can be expected");
  if (expected && head.minorVersion === 1 && framing.kind !== "none") {
    await writeAll(conn, headBytes("HTTP/1.1 100 Continue", []));
  }
  const protocol = upgradeOf(head, framing);
  const kept: Field[] = protocol ? [["connection", "upgrade"], ["upgrade", protocol]] : [["connection", "close"]];
  let badBody: unknown;
  const body = readBody(reader, framing);
  const response = await exchangeWithApp(app, {
    method: head.method,
    target: head.target,
    fields: [["host", head.authority], ...forwardedRequestFields(head.fields), ...framingFields(framing), ...kept],
    framing,
    body: {
      pieces: noting(body.pieces, (error) => badBody = error),
      trailers: () => forwardedRequestTrailers(body.trailers()),
    },
  }).catch(() => undefined);
  if (!response) {
    if (badBody instanceof Http1Error) throw badBody;
    return await answerText(conn, 502, "the app did not answer in HTTP\n");
  }
  exchange.requestDone = response.requestDone;
  exchange.answered = true;
  if (response.status === 101) {
    if (protocol) return await switchProtocol(conn, reader, app, response);
    return await answerText(conn, 502, "the app switched to a protocol that nobody asked for\n");
  }
  const chunks = response.framing.kind === "chunked";
  // A client of HTTP/1.0 knows no chunks; the connection's end says the body's.
  const out: Framing = chunks && head.minorVersion === 0 ? { kind: "until close" } : response.framing;
  const fields: Field[] = [...withoutHopByHop(response.fields), ["connection", "close"]];
  if (out.kind === "chunked") fields.push(["transfer-encoding", "chunked"]);
  await writeAll(conn, headBytes(`HTTP/1.1 ${response.status} ${response.reason}`, fields));
  const { pieces, trailers } = response.body;
  await writeBody(conn, out, { pieces, trailers: () => answerTrailers(trailers()) });
}

async function* noting(
  pieces: AsyncIterable<Uint8Array>,
  failed: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    failed(error);
    throw error;
  }
}

/**
 * `websocket`, where a request without body asks for it. Nothing else is switched to: HTTP/2 on the app's own connection would carry
 * headers that nobody has looked at.
 */
function upgradeOf(head: Http1RequestHead, framing: Framing): string | undefined {
  const asked = valueOf(head.fields, "connection")?.toLowerCase().split(",").some((token) =>
    token.trim() === "upgrade"
  );
  const protocol = valueOf(head.fields, "upgrade");
  return asked && protocol?.toLowerCase() === "websocket" && framing.kind === "none" ? protocol : undefined;
}

/** Closing with unread bytes would be a RST, which can take the answer from a client that is still sending. */
async function closeAfterReading({ conn, requestDone }: Exchange): Promise<void> {
  const timer = setTimeout(() => closeQuietly(conn), LINGER_MS);
  try {
    await conn.closeWrite();
    await requestDone;
    const bytes = new Uint8Array(16_384);
    for (let read = 0; read < MOST_LINGER_BYTES;) {
      const count = await conn.read(bytes);
      if (count === null) break;
      read += count;
    }
  } catch {
    // Closed already, by the client, the timer or a switched protocol.
  }
  clearTimeout(timer);
  closeQuietly(conn);
}

/** After 101 the bytes are no HTTP any more; the end of either side ends both. */
async function switchProtocol(
  conn: Deno.TcpConn,
  reader: ByteReader,
  app: Deno.TcpConn,
  response: AppResponse,
): Promise<void> {
  await writeAll(conn, headBytes(`HTTP/1.1 101 ${response.reason}`, response.fields));
  const up = pump(reader, app);
  const down = pump(response.reader, conn);
  await Promise.race([up, down]).catch(() => {});
  closeQuietly(app);
  closeQuietly(conn);
  await Promise.allSettled([up, down]);
}

async function pump(from: ByteReader, to: Deno.TcpConn): Promise<void> {
  for (let bytes = await from.some(); bytes; bytes = await from.some()) await writeAll(to, bytes);
}

async function answerText(conn: Deno.TcpConn, status: number, text: string, fields: Field[] = []): Promise<void> {
  const body = new TextEncoder().encode(text);
  const head: Field[] = [...fields, ["content-type", "text/plain"], ["content-length", String(body.length)], [
    "connection",
    "close",
  ]];
  await writeAll(conn, headBytes(`HTTP/1.1 ${status} ${REASONS.get(status) ?? ""}`, head));
  await writeAll(conn, body);
}

const REASONS: ReadonlyMap<number, string> = new Map([
  [400, "Bad Request"],
  [405, "Method Not Allowed"],
  [417, "Expectation Failed"],
  [426, "Upgrade Required"],
  [431, "Request Header Fields Too Large"],
  [502, "Bad Gateway"],
  [503, "Service Unavailable"],
]);
