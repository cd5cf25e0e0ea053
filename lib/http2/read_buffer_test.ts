import assert from "node:assert/strict";
import { giveChunk, takeLargeChunk } from "./chunk_pool.ts";
import { ReadBuffer } from "./read_buffer.ts";

const KIB = 1_024;

Deno.test("ReadBuffer: the next buffer is as large as the last read deserves", () => {
  const buffer = new ReadBuffer();
  const after = (count: number) => {
    buffer.took(count);
    return buffer.bytes.length / KIB;
  };
  assert.equal(buffer.bytes.length, KIB);
  for (
    const [count, nextKib] of [
      [KIB - 1, 1],
      [KIB, 64],
      [16 * KIB, 64],
      [16 * KIB - 1, 1],
      [KIB, 64],
      [64 * KIB, 256],
      [256 * KIB, 256],
      // It may be a long wait for what follows: a large buffer is for others meanwhile.
      [256 * KIB - 1, 64],
      [64 * KIB, 256],
      [100, 1],
    ] as const
  ) assert.equal(after(count), nextKib, `${count}`);
  buffer.close();
});

Deno.test("ReadBuffer: goes on with a chunk while others have all the large ones, and gives back what it has", () => {
  const large: Uint8Array<ArrayBuffer>[] = [];
  for (let chunk = takeLargeChunk(); chunk; chunk = takeLargeChunk()) large.push(chunk);
  const [first, second] = [new ReadBuffer(), new ReadBuffer()];
  const fill = (buffer: ReadBuffer) => {
    buffer.took(buffer.bytes.length);
    return buffer.bytes.length / KIB;
  };
  assert.deepEqual([fill(first), fill(first), fill(first)], [64, 64, 64]);
  giveChunk(large.pop()!);
  assert.equal(fill(first), 256);
  assert.deepEqual([fill(second), fill(second)], [64, 64]);
  first.close(true);
  assert.equal(fill(second), 256, "a read that failed leaves its chunk to nobody, and room for another");
  second.close();
  const again = takeLargeChunk();
  assert.ok(again);
  [...large, again].forEach(giveChunk);
});
