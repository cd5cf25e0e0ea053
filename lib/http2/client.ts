import { type ByteConn } from "./byte_conn.ts";
import { Http2Connection } from "./connection.ts";
import { ErrorCode, StreamError, StreamReset } from "./errors.ts";
import { type ResponseHead, responseHead, trailerFields } from "./request.ts";
import type { ConnectionRole } from "./role.ts";
import type { Field } from "./static_table.ts";
import type { Http2Stream } from "./stream.ts";

/** An answer's head, and whether nothing follows it. */
export interface ClientAnswer extends ResponseHead {
  endStream: boolean;
}

interface Waiting {
  resolve(answer: ClientAnswer): void;
  reject(error: unknown): void;
}

/** The client's end of one HTTP/2 connection with prior knowledge. */
export class Http2Client implements ConnectionRole {
  readonly name = "client";
  /** Settles when the connection has ended. */
  readonly ended: Promise<void>;
  readonly #connection: Http2Connection;
  /** Weak: a stream that its owner resets is never answered. */
  readonly #waiting = new WeakMap<Http2Stream, Waiting>();

  constructor(conn: ByteConn) {
    this.#connection = new Http2Connection(conn, this);
    this.ended = this.#connection.run();
  }

  /** Resolves when the server has said how many streams it allows ({@link maxStreams}), or the connection has ended. */
  get settled(): Promise<void> {
    return this.#connection.settled;
  }

  get maxStreams(): number {
    return this.#connection.maxStreams;
  }

  /** False when the server allows no further stream now, and for good after GOAWAY or the connection's end. */
  get canRequest(): boolean {
    return this.#connection.canOpen;
  }

  /** The server has said GOAWAY: open streams go on, new ones belong on another connection. */
  get goesAway(): boolean {
    return this.#connection.peerGoesAway;
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  /** Opens a stream; `answer` rejects with {@link StreamReset} when it is reset first, and `onReset` is called then too. */
  request(
    fields: readonly Field[],
    endStream: boolean,
    onReset: (code: number) => void,
  ): { stream: Http2Stream; answer: Promise<ClientAnswer> } {
    const stream = this.#connection.open(fields, endStream);
    const answer = new Promise<ClientAnswer>((resolve, reject) => this.#waiting.set(stream, { resolve, reject }));
    stream.onReset = (code) => {
      this.#waiting.get(stream)?.reject(new StreamReset(code));
      this.#waiting.delete(stream);
      onReset(code);
    };
    return { stream, answer };
  }

  onFields(
    stream: Http2Stream,
    fields: readonly Field[],
    { endStream, tooLarge }: { endStream: boolean; tooLarge: boolean },
  ): void {
    if (tooLarge) throw new StreamError(ErrorCode.PROTOCOL_ERROR, "header list too large");
    const waiting = this.#waiting.get(stream);
    if (!waiting) {
      stream.trailers = trailerFields(fields);
      return;
    }
    const head = responseHead(fields);
    if (head.status < 200) return;
    this.#waiting.delete(stream);
    waiting.resolve({ ...head, endStream });
  }

  /** False when the server does not answer a PING within `timeoutMs`. */
  ping(timeoutMs: number): Promise<boolean> {
    return this.#connection.ping(timeoutMs);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
