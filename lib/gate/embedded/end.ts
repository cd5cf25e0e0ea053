import { abort } from "../../base/tcp_abort.ts";
import {
  CHUNK_PAYLOAD_BYTES,
  closeQuietly,
  ErrorCode,
  giveChunk,
  type Http2Stream,
  takeChunk,
  writeAll,
} from "../../http2/mod.ts";

/** One side of a stream through the gate: bytes in both directions, each of which ends by itself. */
export interface End {
  /** The next bytes, valid until {@link taken}; null after the other side's end. Rejects when it was reset. */
  read(): Promise<Uint8Array | null>;
  /** The bytes that {@link read} gave were used. */
  taken(count: number): void;
  /** Resolves when `bytes` may be used again and there is room for more. Rejects when the other side takes no more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing follows what was written. */
  end(): Promise<void>;
  /** Ends both directions abruptly; does nothing on a side that has ended. */
  reset(): void;
  /** Nobody takes what this side says any more, though it has got everything that there was for it. */
  stop(): Promise<void>;
}

/** What an idle stream waits with; a TLS record's head or a short message fits. */
const IDLE_BUFFER_BYTES = 1_024;
/** A read this long says that more is coming: then it is read with a whole chunk. */
const BUSY_READ_BYTES = 16_384;
/** For the peer to read what it was sent last: a RST at once would take that from it. */
const LINGER_MS = 1_000;

/** A TCP connection of the mesh or of the cluster. */
export class TcpEnd implements End {
  readonly #conn: Deno.TcpConn;
  readonly #idle = new Uint8Array(IDLE_BUFFER_BYTES);
  #chunk: Uint8Array<ArrayBuffer> | undefined;
  #lastReadBytes = 0;
  #closed = false;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  async read(): Promise<Uint8Array | null> {
    const buffer = this.#chunk?.subarray(0, CHUNK_PAYLOAD_BYTES) ?? this.#idle;
    // A read that fails may still write into the chunk: then it is left to the garbage collector.
    const count = await this.#conn.read(buffer);
    this.#lastReadBytes = count ?? 0;
    if (count === null) this.#giveChunk();
    return count === null ? null : buffer.subarray(0, count);
  }

  taken(): void {
    const busy = this.#lastReadBytes === IDLE_BUFFER_BYTES || this.#lastReadBytes >= BUSY_READ_BYTES;
    if (busy) this.#chunk ??= takeChunk();
    else this.#giveChunk();
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeAll(this.#conn, bytes);
  }

  end(): Promise<void> {
    return this.#conn.closeWrite();
  }

  reset(): void {
    if (this.#closed) return;
    this.#closed = true;
    abort(this.#conn);
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.reset(), LINGER_MS);
    try {
      while (await this.read() !== null) this.taken();
    } catch {
      // It was reset, by itself or by the timer.
    } finally {
      clearTimeout(timer);
    }
  }

  /** After both directions have ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeQuietly(this.#conn);
  }

  #giveChunk(): void {
    if (this.#chunk) giveChunk(this.#chunk);
    this.#chunk = undefined;
  }
}

/** A request to a front end that was answered 200. */
export class StreamEnd implements End {
  readonly #stream: Http2Stream;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
  }

  read(): Promise<Uint8Array | null> {
    return this.#stream.read();
  }

  taken(count: number): void {
    this.#stream.taken(count);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#stream.write(bytes);
  }

  end(): Promise<void> {
    this.#stream.end();
    return Promise.resolve();
  }

  reset(): void {
    // A TCP connection behind a tunnel that was reset, RFC 9113 section 8.5.
    this.#stream.reset(ErrorCode.CONNECT_ERROR);
  }

  stop(): Promise<void> {
    this.#stream.reset(ErrorCode.CANCEL);
    return Promise.resolve();
  }
}
