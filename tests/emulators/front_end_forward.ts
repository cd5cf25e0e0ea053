/** A request at Cloud Run's front end and its answer, bytes both ways as they come. */
import { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import { ErrorCode, type Field, type Http2Stream, StreamReset } from "../../lib/http2/mod.ts";
import type { ContainerCall, ContainerConnections } from "./front_end_connections.ts";
import { endToEnd, type Exchange, type Headers } from "./front_end_exchange.ts";

/** How a forwarded request ended: the status sent to the client, or a stream that ended uncleanly. */
export type ForwardOutcome = number | "reset";

/** Why a request does not go on, where the container is not the reason. */
class CutOff extends Error {
  constructor(readonly by: "client" | "timeout") {
    super(by);
  }
}

/**
 * Sends a request to the container on `port` and its answer back. Either side may end first; a reset of one is a reset
 * of the other. Without an answer the client gets `refuse(503)`; after `timeoutMs`, `refuse(504)` or, when the answer has begun, a reset.
 */
export async function forward(
  exchange: Exchange,
  upstream: { connections: ContainerConnections; port: number; headers: Headers; timeoutMs: number },
  refuse: (status: 503 | 504) => void,
): Promise<ForwardOutcome> {
  const { incoming, outgoing } = exchange;
  const { promise: cut, reject: cutOff } = Promise.withResolvers<never>();
  cut.catch(() => {}); // may come when nobody waits any more
  const timer = setTimeout(() => cutOff(new CutOff("timeout")), upstream.timeoutMs);
  // It tells of a clean end, too.
  exchange.onAbort(() => incoming.readableEnded && outgoing.writableFinished || cutOff(new CutOff("client")));
  let status: number | undefined;
  try {
    const request = { fields: fieldsOf(upstream.headers), hasBody: exchange.hasBody };
    using call = await upstream.connections.request(upstream.port, request, cutOff);
    const done = carry(exchange, call, (answered) => status = answered);
    done.catch(() => {}); // fails also when the call is disposed of
    await Promise.race([done, cut]);
    return status!;
  } catch (error) {
    const by = error instanceof CutOff ? error.by : "container";
    if (status === undefined) {
      if (by === "client") return "reset";
      const refusal = by === "timeout" ? 504 : 503;
      refuse(refusal);
      return refusal;
    }
    const code = error instanceof StreamReset ? error.code : ErrorCode.CANCEL;
    // After a whole answer the rest of the request may be unwanted, by either side (RFC 9113 section 8.1).
    if (outgoing.writableEnded && (code === ErrorCode.NO_ERROR || by === "client")) {
      incoming.resume();
      return status;
    }
    exchange.reset(code || ErrorCode.CANCEL);
    return "reset";
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when both directions have ended. @throws {StreamReset} */
async function carry(exchange: Exchange, call: ContainerCall, onStatus: (status: number) => void): Promise<void> {
  const uploaded = upload(exchange.incoming, call.stream);
  uploaded.catch(() => {}); // a reset ends the answer as well
  const answer = await call.answer;
  onStatus(answer.status);
  exchange.respond(answer.status, headersOf(answer.fields));
  if (!answer.endStream) await download(call.stream, exchange.outgoing);
  if (call.stream.trailers.length > 0) exchange.trailers(headersOf(call.stream.trailers));
  exchange.outgoing.end();
  await uploaded;
}

/** The client's bytes to the container; not by iterating, which would end the other direction of the same stream. */
function upload(from: Readable, to: Http2Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    let written = Promise.resolve();
    from.on("data", (chunk: Uint8Array) => {
      from.pause();
      // A copy: nothing says when Deno uses a chunk's memory again.
      const bytes = Uint8Array.from(chunk);
      written = written.then(() => to.write(bytes)).then(() => void from.resume());
      written.catch(reject);
    });
    const end = () => written.then(() => resolve(to.end()), reject);
    if (from.readableEnded) end();
    else from.once("end", end);
    from.resume();
  });
}

/** The container's bytes to the client. @throws {StreamReset} */
async function download(from: Http2Stream, to: Writable): Promise<void> {
  for (let bytes = await from.read(); bytes; bytes = await from.read()) {
    const count = bytes.length;
    // A copy: the stream uses its memory again.
    if (!to.write(Buffer.from(bytes))) await new Promise<void>((resolve) => to.once("drain", resolve));
    from.taken(count);
  }
}

/** In HTTP/2's order: pseudo headers come first. */
function fieldsOf(headers: Headers): Field[] {
  const fields = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value): Field => [name, value])
  );
  return [...fields.filter(([name]) => name.startsWith(":")), ...fields.filter(([name]) => !name.startsWith(":"))];
}

function headersOf(fields: readonly Field[]): Headers {
  const headers: Headers = {};
  for (const [name, value] of fields) {
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return endToEnd(headers);
}
