import type { ByteConn } from "./byte_conn.ts";
import { dropChunk, giveChunk, takeLargeChunk } from "./chunk_pool.ts";
import { ConnectionError, ErrorCode } from "./errors.ts";
import { FRAME_HEADER_BYTES, type FrameHeader, MAX_FRAME_BYTES, readFrameHeader } from "./frame.ts";

/** Four full frames to a read; each connection's own, used again and again. */
const OWN_BYTES = 4 * (MAX_FRAME_BYTES + FRAME_HEADER_BYTES);

/** Cuts what a connection reads into frames. */
export class FrameReader {
  readonly #conn: ByteConn;
  readonly #own = new Uint8Array(OWN_BYTES);
  /** {@link #own}, or a large chunk while reads bring more than fits there. */
  #bytes = this.#own;
  #start = 0;
  #end: number;

  /** `first` are bytes that were read already, at most a few frames. */
  constructor(conn: ByteConn, first: Uint8Array) {
    this.#conn = conn;
    this.#bytes.set(first);
    this.#end = first.length;
  }

  /**
   * Gives every frame to `take` until the peer ends the connection; a payload is valid during the call only.
   *
   * @throws {ConnectionError} FRAME_SIZE_ERROR before a frame that is too large is read; whatever `take` and the connection throw.
   */
  async run(take: (header: FrameHeader, payload: Uint8Array) => void): Promise<void> {
    let count: number | null = 0;
    try {
      for (;;) {
        const full = this.#end === this.#bytes.length;
        this.#cut(take);
        this.#makeRoom(full, count);
        count = await this.#conn.read(this.#end === 0 ? this.#bytes : this.#bytes.subarray(this.#end));
        if (count === null) return;
        this.#end += count;
      }
    } finally {
      dropChunk(this.#bytes);
    }
  }

  /** Brings what is left of an unfinished frame to the front of the buffer that fits the next read. */
  #makeRoom(full: boolean, lastReadBytes: number): void {
    const before = this.#bytes;
    const left = this.#end - this.#start;
    if (before !== this.#own && lastReadBytes < OWN_BYTES) this.#bytes = this.#own;
    else if (before === this.#own && full) this.#bytes = takeLargeChunk() ?? before;
    if (this.#bytes !== before) {
      this.#bytes.set(before.subarray(this.#start, this.#end));
      giveChunk(before);
    } else if (this.#start > 0) before.copyWithin(0, this.#start, this.#end);
    this.#end = left;
    this.#start = 0;
  }

  #cut(take: (header: FrameHeader, payload: Uint8Array) => void): void {
    while (this.#end - this.#start >= FRAME_HEADER_BYTES) {
      const header = readFrameHeader(this.#bytes, this.#start);
      if (header.lengthBytes > MAX_FRAME_BYTES) {
        throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `frame of ${header.lengthBytes} bytes`);
      }
      const from = this.#start + FRAME_HEADER_BYTES;
      const to = from + header.lengthBytes;
      if (to > this.#end) return;
      this.#start = to;
      take(header, this.#bytes.subarray(from, to));
    }
  }
}
