/** Payload of one read or write of any stream, however many stall. */
export const CHUNK_PAYLOAD_BYTES = 65_536;
/** Payload for what is busy just now: of 64 to 512 KiB, 256 took the least processor time a byte on loopback. */
export const LARGE_PAYLOAD_BYTES = 262_144;
/** A chunk also takes the frame headers of a full payload in frames of 16 KiB, so that one read stays one write. */
const HEADERS_BYTES = 256;
const CHUNK_BYTES = CHUNK_PAYLOAD_BYTES + HEADERS_BYTES;
const LARGE_BYTES = LARGE_PAYLOAD_BYTES + HEADERS_BYTES;
/** Beyond these the garbage collector has them: 4 MB a thread stay for the next burst. */
const MOST_KEPT = 64;
/** All that a thread ever has, 4 MB: who finds none left, since streams stall with them, goes on with what any stream gets. */
const MOST_LARGE = 16;

const free: Uint8Array<ArrayBuffer>[] = [];
const freeLarge: Uint8Array<ArrayBuffer>[] = [];
let largeTaken = 0;

/** A buffer that its taker alone uses until it gives it back or drops it; its content is arbitrary. */
export function takeChunk(): Uint8Array<ArrayBuffer> {
  return free.pop() ?? new Uint8Array(CHUNK_BYTES);
}

/** A large buffer while there is one. For what has just filled a chunk, and gives it back as soon as that is over. */
export function takeLargeChunk(): Uint8Array<ArrayBuffer> | undefined {
  if (largeTaken === MOST_LARGE) return undefined;
  largeTaken++;
  return freeLarge.pop() ?? new Uint8Array(LARGE_BYTES);
}

/** Takes back what was taken; other buffers are left to the garbage collector. */
export function giveChunk(chunk: Uint8Array<ArrayBuffer>): void {
  if (chunk.length === CHUNK_BYTES && free.length < MOST_KEPT) free.push(chunk);
  if (chunk.length !== LARGE_BYTES) return;
  largeTaken--;
  freeLarge.push(chunk);
}

/** Leaves to the garbage collector what a read or write that is still pending may use; another may be taken for it. */
export function dropChunk(chunk: Uint8Array<ArrayBuffer>): void {
  if (chunk.length === LARGE_BYTES) largeTaken--;
}

/** What a read may fill of a chunk for its write to fit in one. */
export function payloadOf(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return chunk.subarray(0, chunk.length - HEADERS_BYTES);
}
