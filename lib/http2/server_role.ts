import { ErrorCode, StreamError } from "./errors.ts";
import { type RequestHead, requestHead, trailerFields } from "./request.ts";
import type { ConnectionRole } from "./role.ts";
import type { Field } from "./static_table.ts";
import type { Http2Stream } from "./stream.ts";

/** Requests whose handlers still run, though their streams may be reset: what rapid reset would pile up (CVE-2023-44487). */
const MOST_RUNNING = 512;

/** Answers one request; it owns the stream until the promise settles. */
export type RequestHandler = (stream: Http2Stream, head: RequestHead, hasBody: boolean) => Promise<void>;

/** The server's side of a connection: header lists become requests. */
export class ServerRole implements ConnectionRole {
  readonly name = "server";
  readonly #handler: RequestHandler;
  #running = 0;

  constructor(handler: RequestHandler) {
    this.#handler = handler;
  }

  onFields(
    stream: Http2Stream,
    fields: readonly Field[],
    { endStream, tooLarge, opening }: { endStream: boolean; tooLarge: boolean; opening: boolean },
  ): void {
    if (!opening) {
      if (!endStream) throw new StreamError(ErrorCode.PROTOCOL_ERROR, "second HEADERS without END_STREAM");
      if (tooLarge) throw new StreamError(ErrorCode.ENHANCE_YOUR_CALM, "trailers too large");
      stream.trailers = trailerFields(fields);
      return;
    }
    if (tooLarge) {
      stream.sendHeaders([[":status", "431"]], true);
      throw new StreamError(ErrorCode.NO_ERROR, "header list too large");
    }
    if (this.#running >= MOST_RUNNING) throw new StreamError(ErrorCode.REFUSED_STREAM, "too many requests at once");
    const head = requestHead(fields);
    stream.expectBytes(head.contentBytes);
    if (endStream && (head.contentBytes ?? 0) > 0) {
      throw new StreamError(ErrorCode.PROTOCOL_ERROR, "no body, yet content-length");
    }
    void this.#run(stream, head, !endStream);
  }

  async #run(stream: Http2Stream, head: RequestHead, hasBody: boolean): Promise<void> {
    this.#running++;
    try {
      await this.#handler(stream, head, hasBody);
    } catch {
      // A handler that fails half-way must not look like one that finished.
      stream.reset(ErrorCode.INTERNAL_ERROR);
    } finally {
      this.#running--;
    }
  }
}
