/** From Cloud Run's front end to the container: h2c with prior knowledge, bytes both ways as they come. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import { endToEnd, type Exchange, type Headers } from "./front_end_exchange.ts";

/** How a forwarded request ended: the status sent to the client, or a stream that ended uncleanly. */
export type ForwardOutcome = number | "reset";

/** Streams on a connection to a container; with more, a further connection is opened. */
const STREAMS_PER_CONNECTION = 100;
/** A connection's share of flow control: 64 KiB, the default, would hold streams up that have nothing to do with each other. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** RFC 9113 section 7. */
const NO_ERROR = 0, CANCEL = 8;

interface Connection {
  session: ClientHttp2Session;
  streams: Set<ClientHttp2Stream>;
}

/** The connections to containers, kept between requests. */
export class ContainerConnections implements Disposable {
  readonly #connections = new Map<number, Connection[]>();

  /** Opens a stream to the container on `port`. */
  request(port: number, headers: Headers): ClientHttp2Stream {
    const open = this.#connections.get(port) ?? [];
    const connection = open.find(({ streams }) => streams.size < STREAMS_PER_CONNECTION) ?? this.#connect(port);
    const stream = connection.session.request(headers, { endStream: false });
    connection.streams.add(stream);
    stream.once("close", () => connection.streams.delete(stream));
    return stream;
  }

  #connect(port: number): Connection {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: WINDOW_BYTES / 4 } });
    const connection: Connection = { session, streams: new Set() };
    this.#connections.set(port, [...this.#connections.get(port) ?? [], connection]);
    const forget = () => {
      const left = (this.#connections.get(port) ?? []).filter((other) => other !== connection);
      this.#connections.set(port, left);
    };
    const fail = () => {
      forget();
      for (const stream of connection.streams) stream.destroy();
    };
    session.once("connect", () => session.setLocalWindowSize(WINDOW_BYTES));
    session.on("error", fail);
    // A container that stops takes nothing new. It would end what it has begun, as Cloud Run lets it; but Deno 2.9.6
    // cancels the open streams of a connection at a GOAWAY, so that their clients get 503 or a reset here.
    session.on("goaway", forget);
    session.on("close", fail);
    return connection;
  }

  [Symbol.dispose](): void {
    for (const { session } of [...this.#connections.values()].flat()) session.destroy();
  }
}

/**
 * Sends a request to the container on `port` and its answer back. Either side may end first; a reset of one is a reset
 * of the other. Without an answer the client gets `refuse(503)`; after `timeoutMs`, `refuse(504)` or, when the answer has begun, a reset.
 */
export function forward(
  exchange: Exchange,
  upstream: { connections: ContainerConnections; port: number; headers: Headers; timeoutMs: number },
  refuse: (status: 503 | 504) => void,
): Promise<ForwardOutcome> {
  return new Promise((resolve) => {
    let status: number | undefined;
    let finished = false;
    const finish = (outcome: ForwardOutcome) => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      resolve(outcome);
    };
    const fail = (code: number, refusal: 503 | 504) => {
      if (finished) return;
      if (!stream.destroyed) stream.close(CANCEL);
      if (status === undefined) {
        refuse(refusal);
        finish(refusal);
      } else {
        exchange.reset(code);
        finish("reset");
      }
    };
    const timer = setTimeout(() => fail(CANCEL, 504), upstream.timeoutMs);
    const stream = upstream.connections.request(upstream.port, upstream.headers);
    stream.on("error", () => {});
    const early: Uint8Array[] = [];
    const write = pump(stream, exchange.outgoing);
    stream.on("response", (headers: IncomingHttpHeaders) => {
      status = Number(headers[":status"]);
      exchange.respond(status, endToEnd(headers));
      for (const chunk of early) write(chunk);
    });
    // Deno can hand out data before the response it belongs to.
    stream.on("data", (chunk: Uint8Array) => status === undefined ? early.push(chunk) : write(chunk));
    stream.on("trailers", (headers: IncomingHttpHeaders) => exchange.trailers(endToEnd(headers)));
    stream.on("end", () => {
      // On Deno a reset looks like an end until a moment later; a clean end may take that moment too.
      setTimeout(() => {
        if (!finished && stream.rstCode === NO_ERROR && status !== undefined) exchange.outgoing.end();
      }, 0);
    });
    stream.once("close", () => {
      const clean = stream.rstCode === NO_ERROR && status !== undefined;
      // The end above comes first, also where `end` and `close` are emitted together.
      setTimeout(() => clean ? finish(status ?? 503) : fail(stream.rstCode || CANCEL, 503), 1);
    });
    const writeUp = pump(exchange.incoming, stream);
    exchange.incoming.on("data", (chunk: Uint8Array) => writeUp(chunk));
    if (exchange.incoming.readableEnded) stream.end();
    else exchange.incoming.on("end", () => stream.end());
    exchange.incoming.resume();
    exchange.onAbort(() => {
      if (!exchange.outgoing.writableFinished && !stream.destroyed) stream.close(CANCEL);
      if (!finished && !exchange.outgoing.writableFinished) finish("reset");
    });
  });
}

/** Writes to `to`, and holds `from` up while `to` is full. */
function pump(from: Readable, to: Writable): (chunk: Uint8Array) => void {
  to.on("drain", () => from.resume());
  return (chunk) => {
    if (to.destroyed || to.writableEnded) return;
    // A Buffer of its own: nothing says when Deno uses a chunk's memory again.
    if (!to.write(Buffer.from(chunk))) from.pause();
  };
}
