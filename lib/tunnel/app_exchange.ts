import { abort } from "../base/tcp_abort.ts";
import { type Body, chunk, type Framing, readBody, responseFraming } from "./http1/body.ts";
import { ByteReader } from "./http1/byte_reader.ts";
import { headBytes, readResponseHead } from "./http1/head.ts";
import { type Field, writeAll } from "../http2/mod.ts";

/** A request for the app, its headers chosen already. */
export interface AppRequest {
  method: string;
  target: string;
  fields: readonly Field[];
  framing: Framing;
  body: Body;
}

export interface AppResponse {
  status: number;
  reason: string;
  fields: Field[];
  framing: Framing;
  body: Body;
  /** What follows the head, for a protocol that was switched to (101). */
  reader: ByteReader;
  /** Resolves when nobody reads the request's body any more. */
  requestDone: Promise<void>;
}

/**
 * Sends one HTTP/1.1 request on a connection of its own and returns the answer's head; the body follows as it comes.
 * The request's body goes on being sent meanwhile, and after the answer's end too.
 *
 * @throws {Http1Error} for an answer that is none; whatever the connection throws.
 */
export async function exchangeWithApp(conn: Deno.TcpConn, request: AppRequest): Promise<AppResponse> {
  await writeAll(conn, headBytes(`${request.method} ${request.target} HTTP/1.1`, request.fields));
  // An app may answer and stop reading; that is no error of the exchange, its answer counts.
  const requestDone = sendBody(conn, request).catch(() => {});
  const reader = new ByteReader(conn);
  for (;;) {
    const head = await readResponseHead(reader);
    if (head.status < 200 && head.status !== 101) continue;
    const framing = responseFraming(request.method, head.status, head.fields);
    return { ...head, framing, body: readBody(reader, framing), reader, requestDone };
  }
}

async function sendBody(conn: Deno.TcpConn, { framing, body }: AppRequest): Promise<void> {
  if (framing.kind === "none") return;
  // Half a body must not be taken for a whole one: where its source fails, the app's connection ends without the body's end.
  const pieces = onFailure(body.pieces, () => abort(conn));
  await writeBody(conn, framing, { pieces, trailers: () => body.trailers() });
}

async function* onFailure(pieces: AsyncIterable<Uint8Array>, failed: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    failed();
    throw error;
  }
}

/** Writes a body in the framing that its head announced. */
export async function writeBody(conn: Pick<Deno.TcpConn, "write">, framing: Framing, body: Body): Promise<void> {
  for await (const piece of body.pieces) {
    if (piece.length > 0) await writeAll(conn, framing.kind === "chunked" ? chunk(piece) : piece);
  }
  if (framing.kind === "chunked") await writeAll(conn, headBytes("0", body.trailers()));
}
