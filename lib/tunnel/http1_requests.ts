import { type AppResponse, exchangeWithApp, writeBody } from "./app_exchange.ts";
import { type Framing, readBody, requestFraming } from "./http1/body.ts";
import { ByteReader } from "./http1/byte_reader.ts";
import { Http1Error, NotHttp1 } from "./http1/errors.ts";
import { headBytes, type Http1RequestHead, readRequestHead, valueOf } from "./http1/head.ts";
import { closeQuietly, writeAll } from "./http2/byte_conn.ts";
import type { Field } from "./http2/static_table.ts";
import { APP_DOWN } from "./http2_requests.ts";
import { connectLoopback } from "./loopback.ts";
import { forwardedRequestFields, withoutHopByHop } from "./request_headers.ts";
import { TUNNEL_PREFIX } from "./route.ts";

/**
 * Answers one HTTP/1.1 request and ends the connection: probes come so, and Cloud Run's front end without `--use-http2`.
 * One request a connection leaves no second one to be smuggled; WebSockets and other upgrades pass.
 *
 * @param headRead called when the request's head is there
 */
export async function answerHttp1(
  conn: Deno.TcpConn,
  first: Uint8Array,
  appPort: number,
  headRead: () => void,
): Promise<void> {
  const reader = new ByteReader(conn, first);
  let app: Deno.TcpConn | undefined;
  try {
    const head = await readRequestHead(reader);
    headRead();
    if (!head) return;
    if (head.target.startsWith(TUNNEL_PREFIX)) {
      return await answerText(conn, 426, "tunnels need HTTP/2: deploy with --use-http2\n", [["upgrade", "h2c"]]);
    }
    const framing = requestFraming(head.fields);
    app = await connectLoopback(appPort).catch(() => undefined);
    if (!app) return await answerText(conn, 503, APP_DOWN);
    await forward(conn, reader, head, framing, app);
  } catch (error) {
    if (error instanceof Http1Error && !(error instanceof NotHttp1)) {
      await answerText(conn, error.status, `${error.message}\n`).catch(() => {});
    }
  } finally {
    if (app) closeQuietly(app);
    closeQuietly(conn);
  }
}

async function forward(
  conn: Deno.TcpConn,
  reader: ByteReader,
  head: Http1RequestHead,
  framing: Framing,
  app: Deno.TcpConn,
): Promise<void> {
  const protocol = upgradeOf(head);
  const fields: Field[] = forwardedRequestFields(head.fields);
  if (framing.kind === "chunked") fields.push(["transfer-encoding", "chunked"]);
  fields.push(
    ...protocol ? [["connection", "upgrade"], ["upgrade", protocol]] as Field[] : [["connection", "close"]] as Field[],
  );
  if (valueOf(head.fields, "expect")) await writeAll(conn, headBytes("HTTP/1.1 100 Continue", []));
  const response = await exchangeWithApp(app, {
    method: head.method,
    target: head.target,
    fields,
    framing,
    body: readBody(reader, framing),
  }).catch(() => undefined);
  if (!response) return await answerText(conn, 502, "the app did not answer in HTTP\n");
  if (response.status === 101 && protocol) return await switchProtocol(conn, reader, app, response);
  const answer = withoutHopByHop(response.fields);
  if (response.framing.kind === "chunked") answer.push(["transfer-encoding", "chunked"]);
  await writeAll(
    conn,
    headBytes(`HTTP/1.1 ${response.status} ${response.reason}`, [...answer, ["connection", "close"]]),
  );
  await writeBody(conn, response.framing, response.body);
}

/** The protocol that a request without body asks to switch to; h2c is not: it comes with prior knowledge. */
function upgradeOf(head: Http1RequestHead): string | undefined {
  const asked = valueOf(head.fields, "connection")?.toLowerCase().split(",").some((token) =>
    token.trim() === "upgrade"
  );
  const protocol = valueOf(head.fields, "upgrade");
  return asked && protocol && protocol.toLowerCase() !== "h2c" && requestFraming(head.fields).kind === "none"
    ? protocol
    : undefined;
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
  [426, "Upgrade Required"],
  [431, "Request Header Fields Too Large"],
  [502, "Bad Gateway"],
  [503, "Service Unavailable"],
]);
