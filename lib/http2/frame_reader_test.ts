import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { ByteConn } from "./byte_conn.ts";
import { giveChunk, takeLargeChunk } from "./chunk_pool.ts";
import { frame, FrameType, MAX_FRAME_BYTES } from "./frame.ts";
import { FrameReader } from "./frame_reader.ts";

/** Gives `bytes` in pieces of the sizes of `pieces`, over and over. */
function connOf(bytes: Uint8Array, pieces: readonly number[]): ByteConn & { largestRead: number } {
  let at = 0;
  let reads = 0;
  return {
    largestRead: 0,
    read(into) {
      if (at === bytes.length) return Promise.resolve(null);
      assert.ok(into.length > 0, "a read without room");
      this.largestRead = Math.max(this.largestRead, into.length);
      const piece = bytes.subarray(at, at + Math.min(into.length, pieces[reads++ % pieces.length]!));
      into.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
    write: () => Promise.resolve(0),
    close() {},
  };
}

function payload(sizeBytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 7 + seed) & 0xff);
}

async function assertReads(sizes: readonly number[], pieces: readonly number[]): Promise<number> {
  const frames = sizes.map((sizeBytes, i) => frame(FrameType.DATA, 0, 1, payload(sizeBytes, i)));
  const bytes = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  frames.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
  const conn = connOf(bytes, pieces);
  let seen = 0;
  await new FrameReader(conn, new Uint8Array()).run((header, got) => {
    assert.equal(header.lengthBytes, sizes[seen]);
    assert.ok(Buffer.from(got).equals(payload(sizes[seen]!, seen)), `frame ${seen}`);
    seen++;
  });
  assert.equal(seen, sizes.length);
  return conn.largestRead;
}

const anyFrames = fc.array(
  fc.oneof(fc.nat(100), fc.constant(16_384), fc.nat(MAX_FRAME_BYTES), fc.constant(MAX_FRAME_BYTES)),
  { maxLength: 12 },
);
const anyPieces = fc.array(fc.oneof(fc.integer({ min: 1_000, max: 70_000 }), fc.constant(1_000_000)), {
  minLength: 1,
  maxLength: 8,
});

Deno.test("FrameReader: frames up to the largest come whole, however they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(anyFrames, anyPieces, async (sizes, pieces) => {
      await assertReads(sizes, pieces);
    }),
    { numRuns: 60 },
  );
});

Deno.test("FrameReader: so they do while others have all large buffers", async () => {
  const large: Uint8Array<ArrayBuffer>[] = [];
  for (let chunk = takeLargeChunk(); chunk; chunk = takeLargeChunk()) large.push(chunk);
  try {
    await fc.assert(
      fc.asyncProperty(anyFrames, anyPieces, async (sizes, pieces) => {
        await assertReads(sizes, pieces);
      }),
      { numRuns: 60 },
    );
  } finally {
    large.forEach(giveChunk);
  }
});

Deno.test("FrameReader: reads with a large buffer while reads fill theirs, and leaves none taken", async () => {
  const count = () => {
    const large: Uint8Array<ArrayBuffer>[] = [];
    for (let chunk = takeLargeChunk(); chunk; chunk = takeLargeChunk()) large.push(chunk);
    large.forEach(giveChunk);
    return large.length;
  };
  const before = count();
  assert.ok(await assertReads([100, 100, 100], [1_000]) < 70_000);
  // The last read of the first fits its own buffer again; the connection of the second ends while it has a large one.
  for (const length of [40, 50]) {
    assert.ok(await assertReads(Array.from({ length }, () => 16_384), [1_000_000]) > 200_000);
    assert.equal(count(), before, `${length} frames`);
  }
});
