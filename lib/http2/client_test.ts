import assert from "node:assert/strict";
import type { ByteConn } from "./byte_conn.ts";
import { Http2Client } from "./client.ts";
import { ErrorCode, StreamReset } from "./errors.ts";
import { Flag, frame, FrameType, numbersFrame } from "./frame.ts";
import { encodeFields } from "./hpack_encoder.ts";

/** A server that has said all it will, in one piece, as soon as it was asked. */
class Scripted implements ByteConn {
  readonly #asked = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<null>();
  #told = false;
  constructor(readonly script: Uint8Array) {}

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#told) return await this.#closed.promise;
    await this.#asked.promise;
    this.#told = true;
    into.set(this.script);
    return this.script.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (bytes.length > 60) this.#asked.resolve();
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.#closed.resolve(null);
  }
}

const REQUEST = [[":method", "POST"], [":scheme", "http"], [":path", "/".repeat(80)]] as const;

async function answerTo(code: number): Promise<{ body: string; laterWrite: unknown }> {
  const script = [
    frame(FrameType.SETTINGS, 0, 0, new Uint8Array()),
    frame(FrameType.HEADERS, Flag.END_HEADERS, 1, encodeFields([[":status", "200"]])),
    frame(FrameType.DATA, Flag.END_STREAM, 1, new TextEncoder().encode("whole answer")),
    numbersFrame(FrameType.RST_STREAM, 1, code),
  ];
  const client = new Http2Client(new Scripted(Uint8Array.from(script.flatMap((part) => [...part]))));
  try {
    const { stream, answer } = client.request(REQUEST.map(([name, value]) => [name, value]), false, () => {});
    assert.equal((await answer).status, 200);
    let body = "";
    for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
      body += new TextDecoder().decode(bytes);
      stream.taken(bytes.length);
    }
    return { body, laterWrite: await stream.write(new Uint8Array(1)).catch((error) => error) };
  } finally {
    await client.close();
  }
}

Deno.test("HTTP/2 client: an answer that is complete stays whole when NO_ERROR stops the request (RFC 9113 section 8.1)", async () => {
  const { body, laterWrite } = await answerTo(ErrorCode.NO_ERROR);
  assert.equal(body, "whole answer");
  assert.ok(laterWrite instanceof StreamReset);
});

Deno.test("HTTP/2 client: any other reset ends the stream", async () => {
  await assert.rejects(answerTo(ErrorCode.INTERNAL_ERROR), StreamReset);
});
