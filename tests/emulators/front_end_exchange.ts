/** One request at the front end, whichever HTTP version it came by. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Readable, Writable } from "node:stream";

/** Headers as node has them: names in lower case. */
export type Headers = Record<string, string | string[]>;

export interface Exchange {
  method: string;
  /** With the query. */
  path: string;
  /** The host asked for, without the port, in lower case. */
  host: string;
  /** Without pseudo headers and without those that are about one connection only. */
  headers: Headers;
  clientAddress: string;
  /** False where the head says that no body follows. */
  hasBody: boolean;
  /** Paused: who reads it resumes it. */
  incoming: Readable;
  outgoing: Writable;
  /** Sends the head of the answer; nothing when it is too late for it. */
  respond(status: number, headers: Headers): void;
  /** What is sent after the end of `outgoing`; only before that end. */
  trailers(headers: Headers): void;
  /** Ends the stream (in HTTP/1.1: the connection) so that the client sees it was not a clean end. */
  reset(code: number): void;
  /** Calls back once when the client is gone before the exchange was over. */
  onAbort(callback: () => void): void;
}

/** RFC 9113 section 8.2.2 forbids these in HTTP/2; they are about one connection. */
const HOP_BY_HOP = [
  "connection",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
];

/** `headers` without what must not travel from one connection to the next. */
export function endToEnd(headers: IncomingHttpHeaders): Headers {
  const kept: Headers = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":") || HOP_BY_HOP.includes(name)) continue;
    kept[name] = value;
  }
  return kept;
}

export function exchangeOf(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): Exchange {
  const authority = request.headers[":authority"] ?? request.headers.host ?? "";
  const about = {
    method: request.method ?? "GET",
    path: request.url ?? "/",
    host: String(authority).replace(/:\d+$/, "").toLowerCase(),
    headers: endToEnd(request.headers),
    clientAddress: request.socket.remoteAddress ?? "127.0.0.1",
  };
  if ("stream" in request) {
    const hasBody = !request.stream.endAfterHeaders;
    return { ...about, hasBody, ...overHttp2(response as Http2ServerResponse) };
  }
  const hasBody = "content-length" in request.headers || "transfer-encoding" in request.headers;
  return { ...about, hasBody, ...overHttp1(request, response as ServerResponse) };
}

type Carrier = Pick<Exchange, "incoming" | "outgoing" | "respond" | "trailers" | "reset" | "onAbort">;

/** On the stream itself: the response object around it cannot end one direction alone. */
function overHttp2(response: Http2ServerResponse): Carrier {
  const stream = response.stream as ServerHttp2Stream;
  stream.on("error", () => {});
  // Deno lets it flow at once, and what flows before there is a reader is lost.
  stream.pause();
  return {
    incoming: stream,
    outgoing: stream,
    respond: (status, headers) => {
      // Responding on a stream that was reset meanwhile throws, out of an event where nothing could catch it.
      if (stream.destroyed || stream.closed || stream.headersSent) return;
      stream.respond({ ":status": status, ...headers }, { waitForTrailers: true });
    },
    // The response object sends them when the stream asks for its trailers.
    trailers: (headers) => response.addTrailers(headers as Record<string, string>),
    reset: (code) => {
      if (!stream.destroyed) stream.close(code);
    },
    onAbort: (callback) => {
      stream.once("aborted", callback);
      stream.once("close", callback);
    },
  };
}

function overHttp1(request: IncomingMessage, response: ServerResponse): Carrier {
  request.on("error", () => {});
  request.pause();
  response.on("error", () => {});
  return {
    incoming: request,
    outgoing: response,
    respond: (status, headers) => {
      if (!response.destroyed && !response.headersSent) response.writeHead(status, headers);
    },
    trailers: () => {},
    reset: () => request.socket.destroy(),
    onAbort: (callback) => {
      request.socket.once("close", callback);
      response.once("close", callback);
    },
  };
}
