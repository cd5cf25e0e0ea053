import assert from "node:assert/strict";
import type { ByteConn } from "./byte_conn.ts";
import { Http2Connection } from "./connection.ts";
import { ErrorCode } from "./errors.ts";
import { Flag, frame, type FrameHeader, FrameType, numbersFrame, readUint32 } from "./frame.ts";
import { FrameReader } from "./frame_reader.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import { encodeFields } from "./hpack_encoder.ts";
import { FIRST_WINDOW_BYTES, GrowthAllowance, ReceiveWindow } from "./receive_window.ts";
import { type RequestHandler, ServerRole } from "./server_role.ts";

const SETTINGS = frame(FrameType.SETTINGS, 0, 0, new Uint8Array());
const POST = encodeFields([[":method", "POST"], [":scheme", "http"], [":path", "/"]]);

interface Seen {
  header: FrameHeader;
  payload: Uint8Array;
}

/** A connection that is fed by the test; `frames` is what the server wrote so far. */
class Wire implements ByteConn {
  readonly #input: Uint8Array[] = [];
  readonly #output: number[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#input.length === 0) {
      if (this.#closed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const piece = this.#input.shift()!;
    const part = piece.subarray(0, into.length);
    into.set(part);
    if (part.length < piece.length) this.#input.unshift(piece.subarray(part.length));
    return part.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    for (const byte of bytes) this.#output.push(byte);
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  async feed(...frames: Uint8Array[]): Promise<void> {
    for (const bytes of frames) this.#input.push(bytes);
    this.#wake?.();
    // The connection works in microtasks: a turn of the event loop sees all of them done.
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  async frames(type: number): Promise<Seen[]> {
    const seen: Seen[] = [];
    const bytes = Uint8Array.from(this.#output);
    let at = 0;
    await new FrameReader({
      read: (into) => {
        const part = bytes.subarray(at, at + into.length);
        into.set(part);
        at += part.length;
        return Promise.resolve(part.length || null);
      },
      write: () => Promise.resolve(0),
      close() {},
    }, new Uint8Array()).run((header, payload) => void seen.push({ header, payload: payload.slice() }));
    return seen.filter(({ header }) => header.type === type);
  }
}

async function serving(handler: RequestHandler, run: (wire: Wire) => Promise<void>): Promise<void> {
  const wire = new Wire();
  const connection = new Http2Connection(wire, new ServerRole(handler));
  const ended = connection.run();
  await wire.feed(SETTINGS);
  await run(wire);
  wire.close();
  await ended;
}

const NEVER: RequestHandler = () => new Promise(() => {});

Deno.test("flow: padding counts against the window and is given back at once, so that it can neither stall nor overflow", async () => {
  await serving(NEVER, async (wire) => {
    await wire.feed(frame(FrameType.HEADERS, Flag.END_HEADERS, 1, POST));
    // One byte of data and 255 of padding: 257 bytes of window each, with the byte that says how much.
    const padded = new Uint8Array(257);
    padded[0] = 255;
    const data = frame(FrameType.DATA, Flag.PADDED, 1, padded);
    for (let i = 0; i < 8; i++) await wire.feed(...Array.from({ length: 50 }, () => data));
    assert.deepEqual(await wire.frames(FrameType.RST_STREAM), []);
    const given = (await wire.frames(FrameType.WINDOW_UPDATE)).filter(({ header }) => header.streamId === 1)
      .reduce((sum, { payload }) => sum + readUint32(payload, 0), 0);
    assert.ok(given > 400 * 256 / 2 && given <= 400 * 256 + FIRST_WINDOW_BYTES, `${given} bytes given back`);
  });
});

Deno.test("flow: WINDOW_UPDATE that no DATA of ours explains is a flood; those that follow DATA are not", async () => {
  const update = numbersFrame(FrameType.WINDOW_UPDATE, 0, 1);
  await serving(NEVER, async (wire) => {
    for (let i = 0; i < 25; i++) await wire.feed(...Array.from({ length: 100 }, () => update));
    assert.equal(readUint32((await wire.frames(FrameType.GOAWAY))[0]!.payload, 4), ErrorCode.ENHANCE_YOUR_CALM);
  });
  await serving(async (stream) => {
    stream.sendHeaders([[":status", "200"]]);
    for (;;) await stream.write(new Uint8Array(100));
  }, async (wire) => {
    await wire.feed(frame(FrameType.HEADERS, Flag.END_HEADERS, 1, POST));
    const credit = () => [numbersFrame(FrameType.WINDOW_UPDATE, 1, 100), numbersFrame(FrameType.WINDOW_UPDATE, 0, 100)];
    for (let i = 0; i < 60; i++) await wire.feed(...Array.from({ length: 50 }, credit).flat());
    assert.deepEqual(await wire.frames(FrameType.GOAWAY), []);
  });
});

Deno.test("flow: a stream's window that overflows resets that stream alone", async () => {
  await serving(NEVER, async (wire) => {
    await wire.feed(
      frame(FrameType.HEADERS, Flag.END_HEADERS, 1, POST),
      numbersFrame(FrameType.WINDOW_UPDATE, 1, 0x7fffffff),
    );
    const [reset] = await wire.frames(FrameType.RST_STREAM);
    assert.deepEqual([reset!.header.streamId, readUint32(reset!.payload, 0)], [1, ErrorCode.FLOW_CONTROL_ERROR]);
    assert.deepEqual(await wire.frames(FrameType.GOAWAY), []);
  });
});

Deno.test("flow: credit for the connection goes to the streams in turn, each byte of it used once", async () => {
  await serving(async (stream) => {
    stream.sendHeaders([[":status", "200"]]);
    for (;;) await stream.write(new Uint8Array(1_000));
  }, async (wire) => {
    for (const id of [1, 3, 5]) await wire.feed(frame(FrameType.HEADERS, Flag.END_HEADERS, id, POST));
    const bytesOf = async (id: number) =>
      (await wire.frames(FrameType.DATA)).filter(({ header }) => header.streamId === id)
        .reduce((sum, { payload }) => sum + payload.length, 0);
    const sums = async () => await Promise.all([1, 3, 5].map(bytesOf));
    assert.equal((await sums()).reduce((a, b) => a + b), 65_535, "the connection's first window");
    const before = await sums();
    for (const id of [1, 3, 5]) await wire.feed(numbersFrame(FrameType.WINDOW_UPDATE, id, 100_000));
    for (let i = 0; i < 6; i++) await wire.feed(numbersFrame(FrameType.WINDOW_UPDATE, 0, 1_000));
    const grown = (await sums()).map((bytes, i) => bytes - before[i]!);
    assert.equal(grown.reduce((a, b) => a + b), 6_000);
    assert.ok(grown.filter((bytes) => bytes >= 1_000).length >= 2, `${grown}`);
  });
});

Deno.test("flow: the windows of a connection grow out of one allowance, and give back what they took", () => {
  const growth = new GrowthAllowance();
  const read = (window: ReceiveWindow) => {
    let given = 0;
    let received = 0;
    for (let i = 0; i < 100; i++) {
      window.received(32_768);
      given += window.taken(32_768);
      received += 32_768;
    }
    return given - received;
  };
  const windows = Array.from({ length: 20 }, () => new ReceiveWindow(growth));
  const grown = windows.map(read).reduce((sum, bytes) => sum + Math.max(0, bytes), 0);
  assert.ok(grown <= 4 * 1_048_576, `${grown} bytes of growth`);
  // Up to half of each window is taken and not yet given back.
  assert.ok(grown > 2 * 1_048_576, `${grown} bytes of growth`);
  windows.forEach((window) => window.close());
  assert.ok(read(new ReceiveWindow(growth)) > 150_000, "room for another");
});

Deno.test("HPACK: a peer that wants no table is told that there is none, once", async () => {
  const answering: RequestHandler = (stream) => Promise.resolve(stream.sendHeaders([[":status", "204"]], true));
  const noTable = Uint8Array.of(0, 1, 0, 0, 0, 0);
  await serving(answering, async (wire) => {
    await wire.feed(frame(FrameType.SETTINGS, 0, 0, noTable));
    for (const id of [1, 3]) await wire.feed(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, id, POST));
    const blocks = (await wire.frames(FrameType.HEADERS)).map(({ payload }) => payload);
    assert.deepEqual(blocks.map((block) => block[0] === 0x20), [true, false]);
    const decoder = new HpackDecoder(1_000);
    for (const block of blocks) assert.deepEqual(decoder.decode(block).fields, [[":status", "204"]]);
  });
});
