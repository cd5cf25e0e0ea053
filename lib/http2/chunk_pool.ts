/** Payload of one read or write; 64 KiB gave the best throughput of 16 to 256 KiB on loopback. */
export const CHUNK_PAYLOAD_BYTES = 65_536;
/** A chunk also takes the frame headers of a full payload in frames of 16 KiB, so that one read stays one write. */
const CHUNK_BYTES = CHUNK_PAYLOAD_BYTES + 256;
/** Beyond these the garbage collector has them: 4 MB a thread stay for the next burst. */
const MOST_KEPT = 64;

const free: Uint8Array<ArrayBuffer>[] = [];

/** A buffer that its taker alone uses until it gives it back; its content is arbitrary. */
export function takeChunk(): Uint8Array<ArrayBuffer> {
  return free.pop() ?? new Uint8Array(CHUNK_BYTES);
}

/** Takes back what {@link takeChunk} gave; other buffers are left to the garbage collector. */
export function giveChunk(chunk: Uint8Array<ArrayBuffer>): void {
  if (chunk.length === CHUNK_BYTES && free.length < MOST_KEPT) free.push(chunk);
}
