import assert from "node:assert/strict";
import fc from "fast-check";
import { readBody, requestFraming } from "./body.ts";
import { ByteReader } from "./byte_reader.ts";
import { Http1Error } from "./errors.ts";
import { headBytes, readRequestHead } from "./head.ts";

function readerOf(bytes: Uint8Array, pieceBytes: number): ByteReader {
  let at = 0;
  return new ByteReader({
    read(into) {
      if (at >= bytes.length) return Promise.resolve(null);
      const piece = bytes.subarray(at, at + Math.min(pieceBytes, into.length));
      into.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
  });
}

async function whole(bytes: Uint8Array, pieceBytes: number): Promise<string> {
  const reader = readerOf(bytes, pieceBytes);
  const head = await readRequestHead(reader);
  if (!head) return "";
  const body = readBody(reader, requestFraming(head.fields));
  let text = "";
  for await (const piece of body.pieces) text += new TextDecoder().decode(piece);
  return `${head.method} ${head.target} ${head.authority} ${JSON.stringify(head.fields)} ${text} ${
    JSON.stringify(body.trailers())
  }`;
}

Deno.test("HTTP/1.1: a chunked request with trailers reads the same in any pieces", async () => {
  const request =
    "POST /a HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Sum: 1\r\n\r\n";
  const bytes = new TextEncoder().encode(request);
  for (let pieceBytes = 1; pieceBytes < 40; pieceBytes++) {
    assert.equal(
      await whole(bytes, pieceBytes),
      'POST /a b [["transfer-encoding","chunked"]] abc0123456789abcdef [["x-sum","1"]]',
    );
  }
});

Deno.test("HTTP/1.1: a body that ends early is an error, not a short body", async () => {
  for (
    const rest of [
      "content-length: 5\r\n\r\nabc",
      "transfer-encoding: chunked\r\n\r\n3\r\nab",
      "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ]
  ) {
    await assert.rejects(whole(new TextEncoder().encode(`POST / HTTP/1.1\r\nhost: a\r\n${rest}`), 7), Http1Error, rest);
  }
});

Deno.test("HTTP/1.1: any bytes give a request or an Http1Error", async () => {
  const part = fc.constantFrom(
    "GET / HTTP/1.1\r\n",
    "host: a\r\n",
    "content-length: 3\r\n",
    "transfer-encoding: chunked\r\n",
    "\r\n",
    "3\r\nabc\r\n",
    "0\r\n",
    "\n",
    ": \r\n",
  );
  const bytes = fc.array(
    fc.oneof(part.map((text) => new TextEncoder().encode(text)), fc.uint8Array({ maxLength: 10 })),
    { maxLength: 12 },
  )
    .map((parts) => Uint8Array.from(parts.flatMap((one) => [...one])));
  await fc.assert(
    fc.asyncProperty(bytes, fc.integer({ min: 1, max: 30 }), async (input, pieceBytes) => {
      await whole(input, pieceBytes).catch((error) => assert.ok(error instanceof Http1Error, String(error)));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("HTTP/1.1: a head that is taken reads the same once it is written again: nothing in it starts a second request", async () => {
  const plain = fc.constantFrom(..."abcdefzABZ0123456789-._");
  const any = fc.constantFrom(..."aZ0 \t\r\n:;,/?#@[]%_=\0\x0b\x7f\x85\xff");
  const text = fc.string({ unit: fc.oneof({ weight: 12, arbitrary: plain }, any), maxLength: 6 });
  const head = fc.tuple(text, text, text, fc.array(fc.tuple(text, text), { maxLength: 3 }));
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(head, async ([method, path, host, more]) => {
      const lines = [
        `GET${method} /${path} HTTP/1.1`,
        `host: a${host}`,
        ...more.map(([name, value]) => `x${name}:${value}`),
      ];
      const read = (request: string) =>
        readRequestHead(readerOf(Uint8Array.from(request, (character) => character.charCodeAt(0)), 50));
      let first;
      try {
        first = await read(`${lines.join("\r\n")}\r\n\r\n`);
      } catch (error) {
        assert.ok(error instanceof Http1Error, String(error));
        return;
      }
      taken++;
      const bytes = headBytes(`${first!.method} ${first!.target} HTTP/1.1`, [
        ["host", first!.authority],
        ...first!.fields,
      ]);
      const again = String.fromCharCode(...bytes);
      assert.equal(again.indexOf("\r\n\r\n"), again.length - 4, "one head");
      assert.deepEqual(await read(again), first);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(taken > 50, `${taken} heads were taken`);
});
