import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionError } from "./errors.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import { encodeFields } from "./hpack_encoder.ts";
import { decodeHuffman } from "./huffman.ts";

function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll(" ", ""));
}

Deno.test("HPACK: the requests of RFC 7541 appendix C.4, Huffman-coded, with a table that grows", () => {
  const decoder = new HpackDecoder(65_536);
  const first = [[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "www.example.com"]];
  assert.deepEqual(decoder.decode(hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff")).fields, first);
  assert.deepEqual(decoder.decode(hex("8286 84be 5886 a8eb 1064 9cbf")).fields, [...first, [
    "cache-control",
    "no-cache",
  ]]);
  assert.deepEqual(decoder.decode(hex("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")).fields, [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ]);
});

Deno.test("HPACK: entries are evicted when the table is full (RFC 7541 section 4.4)", () => {
  const decoder = new HpackDecoder(65_536);
  const literal = (
    value: string,
  ) => [
    0x40,
    1,
    97,
    0x7f,
    value.length - 127 & 0x7f | 0x80,
    value.length - 127 >> 7,
    ...new TextEncoder().encode(value),
  ];
  decoder.decode(Uint8Array.from(literal("x".repeat(3_000))));
  assert.equal(decoder.decode(hex("be")).fields[0]?.[1].length, 3_000);
  decoder.decode(Uint8Array.from(literal("y".repeat(2_000))));
  assert.equal(decoder.decode(hex("be")).fields[0]?.[1].length, 2_000);
  assert.throws(() => decoder.decode(hex("bf")), ConnectionError);
});

Deno.test("HPACK: a list over the limit is cut and reported, and the table stays right", () => {
  const decoder = new HpackDecoder(100);
  const { fields, tooLarge } = decoder.decode(
    Uint8Array.from([0x40, 1, 97, 1, 98, ...encodeFields([["c", "d".repeat(200)]]), 0xbe]),
  );
  assert.equal(tooLarge, true);
  assert.deepEqual(fields, [["a", "b"]]);
  assert.deepEqual(decoder.decode(hex("be")).fields, [["a", "b"]]);
});

Deno.test("HPACK: what is encoded is decoded", () => {
  const text = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 300,
  });
  const known = fc.constantFrom([":status", "200"], [":status", "418"], ["content-type", "text/plain"], [
    "cookie",
    "a",
  ]);
  fc.assert(
    fc.property(
      fc.array(fc.oneof(known, fc.tuple(text, text)) as fc.Arbitrary<[string, string]>, { maxLength: 20 }),
      (fields) => {
        assert.deepEqual(new HpackDecoder(1e9).decode(encodeFields(fields)).fields, fields);
      },
    ),
  );
});

Deno.test("HPACK and Huffman: any bytes give fields or a ConnectionError", () => {
  const total = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof ConnectionError, String(error));
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      total(() => new HpackDecoder(4_096).decode(bytes));
      total(() => decodeHuffman(bytes));
    }),
    { numRuns: 3_000 },
  );
});
