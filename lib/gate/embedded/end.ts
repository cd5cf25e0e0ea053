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
/** Held back for less, a stream is read again soon anyway. */
const STALLED_MS = 500;
const NOTHING = new Uint8Array();
/** For the peer to read what it was sent last: a RST at once would take that from it. */
const LINGER_MS = 1_000;

/** A TCP connection of the mesh or of the cluster. */
export class TcpEnd implements End {
  readonly #conn: Deno.TcpConn;
  readonly #idle = new Uint8Array(IDLE_BUFFER_BYTES);
  #chunk: Uint8Array<ArrayBuffer> | undefined;
  #lastReadBytes = 0;
  /** Since when the other side has not taken what was read last. */
  #lentAtMs: number | undefined;
  #writing = 0;
  #ended = false;
  #closed = false;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  async read(): Promise<Uint8Array | null> {
    const buffer = this.#chunk?.subarray(0, CHUNK_PAYLOAD_BYTES) ?? this.#idle;
    // A read that fails may still write into the chunk: then it is left to the garbage collector.
    const count = await this.#conn.read(buffer);
    this.#lastReadBytes = count ?? 0;
    this.#lentAtMs = performance.now();
    if (count === null) this.#giveChunk();
    return count === null ? null : buffer.subarray(0, count);
  }

  taken(): void {
    this.#lentAtMs = undefined;
    const busy = this.#lastReadBytes === IDLE_BUFFER_BYTES || this.#lastReadBytes >= BUSY_READ_BYTES;
    if (busy) this.#chunk ??= takeChunk();
    else this.#giveChunk();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#writing++;
    try {
      await writeAll(this.#conn, bytes);
    } finally {
      this.#writing--;
    }
  }

  end(): Promise<void> {
    this.#ended = true;
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

  /**
   * Whether the peer has reset a connection that nobody reads or writes just now, since the other side has no room: a write of nothing
   * fails then, and does nothing else. Once our side has ended there is no such way to find out.
   */
  async wasResetWhileStalled(): Promise<boolean> {
    const stalledMs = performance.now() - (this.#lentAtMs ?? Infinity);
    if (!(stalledMs > STALLED_MS) || this.#writing > 0 || this.#ended || this.#closed) return false;
    return await this.#conn.write(NOTHING).then(() => false, () => true);
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
