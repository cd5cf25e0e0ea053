import { exchangeWithApp } from "./app_exchange.ts";
import { type Body, type Framing, framingFields, responseFraming } from "./http1/body.ts";
import { closeQuietly, ErrorCode, type Field, type Http2Stream, type RequestHead } from "../http2/mod.ts";
import {
  answerTrailers,
  forwardedRequestFields,
  forwardedRequestTrailers,
  withoutHopByHop,
} from "./request_headers.ts";

/** Methods whose requests say the length of their body even when there is none (RFC 9110 section 8.6). */
const BODY_METHODS: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** Forwards an HTTP/2 request over HTTP/1.1 on `conn`, streaming both ways, and closes it. */
export async function forwardAsHttp1(
  stream: Http2Stream,
  head: RequestHead,
  hasBody: boolean,
  conn: Deno.TcpConn,
): Promise<void> {
  stream.onReset = () => closeQuietly(conn);
  try {
    const framing = framingOf(head, hasBody);
    const fields = requestFields(head, framing);
    if (hasBody && head.fields.some(([name, value]) => name === "expect" && value.toLowerCase() === "100-continue")) {
      stream.inform(100);
    }
    const response = await exchangeWithApp(conn, {
      method: head.method,
      target: head.path,
      fields,
      framing,
      body: bodyOf(stream),
    });
    const status = response.status === 101 ? 502 : response.status; // HTTP/2 has no 101, and nobody asked for it.
    const noBody = responseFraming(head.method, status, response.fields).kind === "none";
    stream.sendHeaders([[":status", String(status)], ...withoutHopByHop(response.fields)], noBody);
    if (!noBody) {
      for await (const piece of response.body.pieces) await stream.write(piece);
      stream.end(answerTrailers(response.body.trailers()));
    }
    // The answer is complete: what the client may still be sending, nobody waits for (RFC 9113 section 8.1).
    stream.reset(ErrorCode.NO_ERROR);
  } finally {
    stream.onReset = undefined;
    closeQuietly(conn);
  }
}

/** A request's incoming side as a body. */
export function bodyOf(stream: Http2Stream): Body {
  return { pieces: piecesOf(stream), trailers: () => forwardedRequestTrailers(stream.trailers) };
}

async function* piecesOf(stream: Http2Stream): AsyncGenerator<Uint8Array> {
  for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
    yield bytes;
    stream.taken(bytes.length);
  }
}

function framingOf(head: RequestHead, hasBody: boolean): Framing {
  if (!hasBody) return { kind: "none" };
  return head.contentBytes === undefined ? { kind: "chunked" } : { kind: "length", bytes: head.contentBytes };
}

/** @visibleForTesting */
export function requestFields(head: RequestHead, framing: Framing): Field[] {
  const fields = forwardedRequestFields(head.fields);
  // HTTP/2 may cut cookies into several fields (RFC 9113 section 8.2.3), HTTP/1.1 takes one.
  const cookies = fields.filter(([name]) => name === "cookie").map(([, value]) => value);
  const sent: Field[] = [["host", head.authority], ...fields.filter(([name]) => name !== "cookie"), [
    "connection",
    "close",
  ]];
  if (cookies.length > 0) sent.push(["cookie", cookies.join("; ")]);
  sent.push(...framingFields(framing));
  if (framing.kind === "none" && (head.contentBytes === 0 || BODY_METHODS.has(head.method))) {
    sent.push(["content-length", "0"]);
  }
  if (head.fields.some(([name]) => name === "te")) sent.push(["te", "trailers"]);
  return sent;
}
