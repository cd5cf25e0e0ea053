import {
  CHUNK_PAYLOAD_BYTES,
  dropChunk,
  giveChunk,
  LARGE_PAYLOAD_BYTES,
  payloadOf,
  takeChunk,
  takeLargeChunk,
} from "./chunk_pool.ts";

/** What an idle reader waits with; a TLS record's head or a short message fits. */
const IDLE_BYTES = 1_024;
/** A read this long says that more is coming: then the next one has a whole chunk. */
const BUSY_READ_BYTES = 16_384;

/** What a reader of TCP reads into: the next buffer is as large as the last read deserves. */
export class ReadBuffer {
  readonly #idle = new Uint8Array(IDLE_BYTES);
  #chunk: Uint8Array<ArrayBuffer> | undefined;
  #bytes: Uint8Array<ArrayBuffer> = this.#idle;

  /** For one read; what it brought is in it until {@link took}. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  /**
   * The `count` bytes of the last read were used; chooses the buffer of the next. A chunk that is not filled is given back at once if it
   * is a large one, for what follows may be a long wait.
   */
  took(count: number): void {
    const filled = count === this.#bytes.length;
    if (filled && this.#bytes.length === LARGE_PAYLOAD_BYTES) return;
    if (filled && this.#bytes.length === CHUNK_PAYLOAD_BYTES) return this.#replace(takeLargeChunk() ?? this.#chunk);
    if (!filled && count < BUSY_READ_BYTES) return this.#replace(undefined);
    if (this.#bytes.length !== CHUNK_PAYLOAD_BYTES) this.#replace(takeChunk());
  }

  /** Nothing is read any more. @param failed the last read did: it may still write into the chunk, which nobody else gets then */
  close(failed = false): void {
    if (failed && this.#chunk) dropChunk(this.#chunk);
    if (failed) this.#chunk = undefined;
    this.#replace(undefined);
  }

  #replace(chunk: Uint8Array<ArrayBuffer> | undefined): void {
    if (this.#chunk && this.#chunk !== chunk) giveChunk(this.#chunk);
    this.#chunk = chunk;
    this.#bytes = chunk ? payloadOf(chunk) : this.#idle;
  }
}
