import assert from "node:assert/strict";
import fc from "fast-check";
import type { ByteConn } from "./byte_conn.ts";
import { Http2Connection } from "./connection.ts";
import { ErrorCode } from "./errors.ts";
import { Flag, frame, FrameType, numbersFrame, readFrameHeader, readUint32 } from "./frame.ts";
import { encodeFields } from "./hpack_encoder.ts";
import { MAX_STREAMS } from "./incoming.ts";
import { type RequestHandler, ServerRole } from "./server_role.ts";

const SETTINGS = frame(FrameType.SETTINGS, 0, 0, new Uint8Array());
const POST = encodeFields([[":method", "POST"], [":scheme", "http"], [":path", "/"]]);
const DONE: RequestHandler = () => Promise.resolve();
const NEVER: RequestHandler = () => new Promise(() => {});

/** A socket that gives `input` in pieces of `pieceBytes`, then ends; what is written is kept. */
class FakeConn implements ByteConn {
  readonly written: number[] = [];
  #at = 0;

  constructor(readonly input: Uint8Array, readonly pieceBytes = Infinity) {}

  read(into: Uint8Array): Promise<number | null> {
    if (this.#at >= this.input.length) return Promise.resolve(null);
    const piece = this.input.subarray(this.#at, this.#at + Math.min(into.length, this.pieceBytes));
    into.set(piece);
    this.#at += piece.length;
    return Promise.resolve(piece.length);
  }

  write(bytes: Uint8Array): Promise<number> {
    this.written.push(...bytes);
    return Promise.resolve(bytes.length);
  }

  close(): void {}
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function headers(streamId: number, flags: number = Flag.END_HEADERS): Uint8Array {
  return frame(FrameType.HEADERS, flags, streamId, POST);
}

/** The frames that a server answers to `input` with, as [type, stream, first or second number of the payload]. */
async function answers(
  input: Uint8Array,
  handler: RequestHandler = NEVER,
): Promise<[type: number, streamId: number, code: number][]> {
  const conn = new FakeConn(input);
  await new Http2Connection(conn, new ServerRole(handler)).run();
  const bytes = Uint8Array.from(conn.written);
  const frames: [number, number, number][] = [];
  for (let at = 0; at < bytes.length;) {
    const { lengthBytes, type, streamId } = readFrameHeader(bytes, at);
    const code = readUint32(bytes, at + 9 + (type === FrameType.GOAWAY ? 4 : 0));
    frames.push([type, streamId, code]);
    at += 9 + lengthBytes;
  }
  return frames;
}

async function goAwayCode(input: Uint8Array, handler?: RequestHandler): Promise<number | undefined> {
  return (await answers(input, handler)).find(([type]) => type === FrameType.GOAWAY)?.[2];
}

Deno.test("HTTP/2: connection errors end the connection with their code", async () => {
  const data = (streamId: number, bytes: number) => frame(FrameType.DATA, 0, streamId, new Uint8Array(bytes));
  for (
    const [name, input, code] of [
      ["no SETTINGS first", headers(1), ErrorCode.PROTOCOL_ERROR],
      ["frame too large", join(SETTINGS, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1)), ErrorCode.FRAME_SIZE_ERROR],
      ["HEADERS on an even stream", join(SETTINGS, headers(2)), ErrorCode.PROTOCOL_ERROR],
      ["DATA on an idle stream", join(SETTINGS, data(1, 1)), ErrorCode.PROTOCOL_ERROR],
      ["interrupted header block", join(SETTINGS, headers(1, 0), SETTINGS), ErrorCode.PROTOCOL_ERROR],
      [
        "window overflow",
        join(SETTINGS, numbersFrame(FrameType.WINDOW_UPDATE, 0, 0x7fffffff)),
        ErrorCode.FLOW_CONTROL_ERROR,
      ],
      [
        "broken header block",
        join(SETTINGS, frame(FrameType.HEADERS, Flag.END_HEADERS, 1, Uint8Array.of(0x80))),
        ErrorCode.COMPRESSION_ERROR,
      ],
      ["nothing wrong", join(SETTINGS, headers(1)), ErrorCode.NO_ERROR],
    ] as const
  ) assert.equal(await goAwayCode(input), code, name);
});

Deno.test("HTTP/2: a stream that sends beyond its window is reset, the connection goes on", async () => {
  const data = Array.from({ length: 5 }, () => frame(FrameType.DATA, 0, 1, new Uint8Array(16_384)));
  const seen = await answers(join(SETTINGS, headers(1), ...data, headers(3)));
  assert.deepEqual(seen.filter(([type]) => type === FrameType.RST_STREAM), [[
    FrameType.RST_STREAM,
    1,
    ErrorCode.FLOW_CONTROL_ERROR,
  ]]);
  assert.deepEqual(seen.at(-1), [FrameType.GOAWAY, 0, ErrorCode.NO_ERROR]);
});

Deno.test("HTTP/2: one stream more than allowed is refused", async () => {
  const streams = Array.from({ length: MAX_STREAMS + 1 }, (_, i) => headers(2 * i + 1));
  const resets = (await answers(join(SETTINGS, ...streams))).filter(([type]) => type === FrameType.RST_STREAM);
  assert.deepEqual(resets, [[FrameType.RST_STREAM, 2 * MAX_STREAMS + 1, ErrorCode.REFUSED_STREAM]]);
});

Deno.test("HTTP/2: floods are answered with ENHANCE_YOUR_CALM", async () => {
  const many = (count: number, make: (i: number) => Uint8Array) =>
    join(SETTINGS, ...Array.from({ length: count }, (_, i) => make(i)));
  const cancel = (i: number) =>
    join(headers(2 * i + 1), numbersFrame(FrameType.RST_STREAM, 2 * i + 1, ErrorCode.CANCEL));
  for (
    const [name, input] of [
      ["PING", many(1_500, () => frame(FrameType.PING, 0, 0, new Uint8Array(8)))],
      ["SETTINGS", many(1_500, () => SETTINGS)],
      ["empty DATA", join(SETTINGS, headers(1), many(1_500, () => frame(FrameType.DATA, 0, 1, new Uint8Array())))],
      ["rapid reset", many(700, cancel)],
      [
        "CONTINUATION",
        join(
          SETTINGS,
          headers(1, 0),
          ...Array.from({ length: 30 }, () => frame(FrameType.CONTINUATION, 0, 1, new Uint8Array(1))),
        ),
      ],
    ] as const
  ) assert.equal(await goAwayCode(input, DONE), ErrorCode.ENHANCE_YOUR_CALM, name);
});

Deno.test("HTTP/2: resets of unanswered streams do not free room for more work than the limit", async () => {
  let running = 0;
  const cancel = (i: number) =>
    join(headers(2 * i + 1), numbersFrame(FrameType.RST_STREAM, 2 * i + 1, ErrorCode.CANCEL));
  await goAwayCode(join(SETTINGS, ...Array.from({ length: 1_000 }, (_, i) => cancel(i))), () => {
    running++;
    return new Promise(() => {});
  });
  assert.ok(running <= 512, `${running} requests at once`);
});

Deno.test("HTTP/2: any bytes, in any pieces, end in the end of the connection", async () => {
  const valid = fc.constantFrom(
    SETTINGS,
    headers(1),
    headers(3, Flag.END_HEADERS | Flag.END_STREAM),
    frame(FrameType.DATA, Flag.END_STREAM, 1, new Uint8Array(100)),
    numbersFrame(FrameType.WINDOW_UPDATE, 1, 70_000),
    numbersFrame(FrameType.RST_STREAM, 1, 8),
  );
  const anyFrame = fc.tuple(fc.nat(12), fc.nat(255), fc.nat(5), fc.uint8Array({ maxLength: 60 }))
    .map(([type, flags, streamId, payload]) => frame(type, flags, streamId, payload));
  const input = fc.array(fc.oneof(valid, anyFrame, fc.uint8Array({ maxLength: 40 })), { maxLength: 25 }).map((parts) =>
    join(SETTINGS, ...parts)
  );
  await fc.assert(
    fc.asyncProperty(input, fc.integer({ min: 1, max: 200 }), async (bytes, pieceBytes) => {
      const echo: RequestHandler = async (stream) => {
        stream.sendHeaders([[":status", "200"]]);
        for (let piece = await stream.read(); piece; piece = await stream.read()) {
          await stream.write(piece);
          stream.taken(piece.length);
        }
        stream.end();
      };
      const connection = new Http2Connection(new FakeConn(bytes, pieceBytes), new ServerRole(echo));
      await connection.run();
      assert.ok(connection.isClosed);
      assert.equal(connection.streamCount, 0);
    }),
    { numRuns: 1_000 },
  );
});
