import assert from "node:assert/strict";
import fc from "fast-check";
import * as v from "valibot";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { parseDocument } from "./document.ts";
import { Problem, reasonOf, UsageError } from "./errors.ts";
import { parseAs } from "./json.ts";
import { linesOf } from "./lines.ts";

Deno.test("base64: any text there and back; anything else is a SyntaxError", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => assert.equal(decodeBase64(encodeBase64(text)), text)),
  );
  assert.throws(() => decodeBase64("not base64!"), SyntaxError);
});

const Shape = v.object({ name: v.string(), items: v.optional(v.array(v.object({ size: v.number() })), []) });
const SHAPES: [text: string, got: string][] = [
  ["", "an answer that is no JSON (0 bytes)"],
  ["<html>planted</html>", "an answer that is no JSON (20 bytes of HTML)"],
  ['{"name": "planted', "an answer that is no JSON (17 bytes of broken JSON)"],
  ["planted", "an answer that is no JSON (7 bytes)"],
  ['"planted"', "an answer without its expected form: expected Object, got a value of type string"],
  ["{}", 'an answer without its expected form at name: expected "name", got nothing'],
  ['{"name": 7}', "an answer without its expected form at name: expected string, got a value of type number"],
  ['{"name": null}', "an answer without its expected form at name: expected string, got null"],
  ['{"name": []}', "an answer without its expected form at name: expected string, got a value of type array"],
  [
    '{"name": "a", "items": [{"size": "planted"}]}',
    "an answer without its expected form at items.0.size: expected number, got a value of type string",
  ],
];
for (const [text, got] of SHAPES) {
  Deno.test(`parseAs: ${text || "nothing"}`, () => {
    assert.throws(() => parseAs(Shape, text, "read it", "look"), (error: unknown) => {
      assert(error instanceof Problem);
      assert.equal(error.message, `read it\n  got: ${got}\n  do: look`);
      return true;
    });
  });
}

Deno.test("parseAs: any JSON gives the shape or a Problem without what stands in it", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    try {
      parseAs(Shape, JSON.stringify(value), "read it");
    } catch (error) {
      assert(error instanceof Problem);
      if (typeof value === "string" && value.length > 8) assert(!error.message.includes(value));
    }
  }));
});

Deno.test("parseDocument: JSON, YAML, and neither, whose content is not shown", async () => {
  assert.deepEqual(await parseDocument('{"a": 1}'), { a: 1 });
  assert.deepEqual(await parseDocument("{a: 1}"), { a: 1 });
  assert.deepEqual(await parseDocument("a:\n  - 1\n"), { a: [1] });
  for (const broken of ["token: planted\n  x: [", "{planted", "a: *planted"]) {
    await assert.rejects(parseDocument(broken), (error: unknown) => {
      assert(error instanceof SyntaxError);
      assert.match(error.message, /^neither JSON nor YAML(: broken at line \d+)?$/);
      return true;
    });
  }
});

Deno.test("parseDocument: any text gives a value or a SyntaxError", async () => {
  await fc.assert(fc.asyncProperty(fc.string(), async (text) => {
    await parseDocument(text).catch((error) => assert(error instanceof SyntaxError, String(error)));
  }));
});

Deno.test("errors: tried, got, do; reason in one line", () => {
  const problem = new Problem({ tried: "open it", got: "nothing", fix: "close it" });
  assert.equal(problem.message, "open it\n  got: nothing\n  do: close it");
  assert.equal(new Problem({ tried: "open it", got: "nothing" }).message, "open it\n  got: nothing");
  assert.equal(reasonOf(problem), "open it: nothing");
  assert.equal(reasonOf(new Error("x")), "x");
  assert.equal(reasonOf("y"), "y");
  assert(new UsageError({ tried: "a", got: "b" }) instanceof Problem);
});

Deno.test("lines: the same whatever the pieces they come in", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "grapheme" })), fc.integer({ min: 1, max: 9 }), async (parts, size) => {
      const lines = parts.map((part) => part.replaceAll("\n", ""));
      const bytes = new TextEncoder().encode(lines.map((line) => line + "\n").join(""));
      const pieces = Array.from(
        { length: Math.ceil(bytes.length / size) },
        (_, at) => bytes.slice(at * size, at * size + size),
      );
      assert.deepEqual(await Array.fromAsync(linesOf(ReadableStream.from(pieces))), lines);
    }),
    { numRuns: 50 },
  );
});

Deno.test("lines: a line without an end is cut, the rest of a stream is a line", async () => {
  const stream = ReadableStream.from([new TextEncoder().encode("abcdefgh"), new TextEncoder().encode("ij\nkl")]);
  assert.deepEqual(await Array.fromAsync(linesOf(stream, 5)), ["abcde", "ij", "kl"]);
});
