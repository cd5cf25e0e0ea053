import assert from "node:assert/strict";
import { ByteQueue } from "./byte_queue.ts";
import { dropChunk, giveChunk, LARGE_PAYLOAD_BYTES, payloadOf, takeChunk, takeLargeChunk } from "./chunk_pool.ts";

/** All large chunks that a thread may have. */
function takeAllLarge(): Uint8Array<ArrayBuffer>[] {
  const taken: Uint8Array<ArrayBuffer>[] = [];
  for (let chunk = takeLargeChunk(); chunk; chunk = takeLargeChunk()) taken.push(chunk);
  return taken;
}

Deno.test("large chunks: 4 MB a thread; one that was given back or dropped may be taken again, a dropped one by nobody", () => {
  const all = takeAllLarge();
  assert.equal(all.length * LARGE_PAYLOAD_BYTES, 4 * 1_048_576);
  const [given, dropped, ...others] = all as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  giveChunk(given);
  dropChunk(dropped);
  const again = takeAllLarge();
  assert.equal(again.length, 2);
  assert.ok(again.includes(given) && !again.includes(dropped));
  giveChunk(takeChunk());
  assert.equal(takeLargeChunk(), undefined, "an ordinary chunk is none of them");
  [...others, ...again].forEach(giveChunk);
  assert.equal(takeAllLarge().map(giveChunk).length, 16);
});

Deno.test("ByteQueue: uses large chunks once it has held more than a chunk, gives them back, and keeps every byte in order", () => {
  const all = takeAllLarge();
  all.forEach(giveChunk);
  const queue = new ByteQueue(16);
  const sizes: number[] = [];
  let written = 0;
  let read = 0;
  const episode = (bytes: number) => {
    for (let left = bytes; left > 0; left -= 1_000) {
      queue.push(Uint8Array.from({ length: Math.min(left, 1_000) }, () => written++ % 251));
    }
    for (let piece = queue.peek(); piece; piece = queue.peek()) {
      sizes.push(piece.length);
      assert.ok(piece.every((byte) => byte === read++ % 251));
      queue.drop(piece.length);
    }
  };
  [10, 10_000, 200_000, 200_000, 1_000, 80_000].forEach(episode);
  const chunk = takeChunk().length;
  assert.deepEqual(sizes, [10, 10_000, chunk, 200_000 - chunk, 200_000, 1_000, chunk, 80_000 - chunk]);
  assert.equal(takeAllLarge().map(giveChunk).length, all.length, "none is kept");
  queue.push(new Uint8Array(300_000));
  queue.clear();
  assert.equal(takeAllLarge().map(giveChunk).length, all.length, "nor any that was left to the garbage collector");
});

Deno.test("payloadOf: leaves room for the frame headers of frames of 16 KiB", () => {
  for (const chunk of [takeChunk(), takeLargeChunk()!]) {
    const payloadBytes = payloadOf(chunk).length;
    assert.ok(payloadBytes + Math.ceil(payloadBytes / 16_384) * 9 <= chunk.length);
    giveChunk(chunk);
  }
});
