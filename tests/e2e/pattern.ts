import { createHash } from "node:crypto";

const BLOCK_BYTES = 64 << 10;

/** `sizeBytes` of data in which every block differs, so that a lost, doubled or moved one changes the hash. */
export function* pattern(sizeBytes: number): Generator<Uint8Array> {
  const block = new Uint8Array(BLOCK_BYTES);
  let state = 0x9e3779b9;
  for (let at = 0; at < BLOCK_BYTES; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    block[at] = state >>> 24;
  }
  const view = new DataView(block.buffer);
  for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) {
    view.setFloat64(0, at);
    yield block.slice(0, Math.min(BLOCK_BYTES, sizeBytes - at));
  }
}

/** `<bytes> <sha256>` of {@link pattern}. */
export function patternSum(sizeBytes: number): string {
  const hash = createHash("sha256");
  for (const block of pattern(sizeBytes)) hash.update(block);
  return `${sizeBytes} ${hash.digest("hex")}`;
}
