import { CHUNK_PAYLOAD_BYTES, dropChunk, giveChunk, takeChunk, takeLargeChunk } from "./chunk_pool.ts";

interface Piece {
  bytes: Uint8Array<ArrayBuffer>;
  start: number;
  end: number;
}

/** Bytes in order, in pooled chunks; holds no memory while empty. */
export class ByteQueue {
  readonly #smallBytes: number;
  readonly #pieces: Piece[] = [];
  #sizeBytes = 0;
  /** It held more than a chunk since it was empty last, so it will again if it still is busy. */
  #large = false;

  /** @param smallBytes an empty queue takes up to so many bytes into a small buffer: many queues with a short message each then need few chunks */
  constructor(smallBytes = 0) {
    this.#smallBytes = smallBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Copies `bytes` to the end. */
  push(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    for (let taken = 0; taken < bytes.length;) {
      let tail = this.#pieces.at(-1);
      if (!tail || tail.end === tail.bytes.length) {
        const small = !tail && bytes.length <= this.#smallBytes;
        tail = { bytes: small ? new Uint8Array(this.#smallBytes) : this.#newChunk(!tail), start: 0, end: 0 };
        this.#pieces.push(tail);
      }
      const part = Math.min(bytes.length - taken, tail.bytes.length - tail.end);
      tail.bytes.set(part === bytes.length ? bytes : bytes.subarray(taken, taken + part), tail.end);
      tail.end += part;
      taken += part;
    }
  }

  /** The first bytes, as many as lie together; stays valid until {@link drop} takes them, whatever is pushed meanwhile. */
  peek(): Uint8Array<ArrayBuffer> | undefined {
    const head = this.#pieces[0];
    return head && head.bytes.subarray(head.start, head.end);
  }

  /** Forgets the first `count` bytes, which {@link peek} has shown. */
  drop(count: number): void {
    const head = this.#pieces[0];
    if (!head) return;
    head.start += count;
    this.#sizeBytes -= count;
    if (head.start < head.end) return;
    this.#pieces.shift();
    giveChunk(head.bytes);
  }

  /** Forgets everything. Chunks go to the garbage collector, not to the pool: a pending write may still read them. */
  clear(): void {
    for (const { bytes } of this.#pieces) dropChunk(bytes);
    this.#pieces.length = 0;
    this.#sizeBytes = 0;
  }

  #newChunk(first: boolean): Uint8Array<ArrayBuffer> {
    const large = this.#large || this.#sizeBytes > CHUNK_PAYLOAD_BYTES;
    this.#large = large && !first;
    return (large ? takeLargeChunk() : undefined) ?? takeChunk();
  }
}
