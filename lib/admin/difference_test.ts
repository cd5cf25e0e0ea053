import assert from "node:assert/strict";
import { differencesOf } from "./difference.ts";

const CASES: [name: string, from: unknown, to: unknown, expected: [path: string, from?: unknown, to?: unknown][]][] = [
  ["same", { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, []],
  ["order of fields is no difference", { a: 1, b: 2 }, { b: 2, a: 1 }, []],
  ["a value", { a: { b: 1 } }, { a: { b: 2 } }, [["a.b", 1, 2]]],
  ["of another type", { a: 1 }, { a: { b: 1 } }, [["a", 1, { b: 1 }]]],
  ["a new object is its leaves", undefined, { a: { b: 1, c: [2, 3] } }, [
    ["a.b", undefined, 1],
    ["a.c", undefined, [2, 3]],
  ]],
  ["a new list of objects is their leaves", undefined, { a: [{ b: 1 }, 2] }, [["a[0].b", undefined, 1], [
    "a[1]",
    undefined,
    2,
  ]]],
  ["all goes", { a: { b: 1, c: [2] }, d: [{ e: 3 }] }, undefined, [["a", { b: 1, c: [2] }], ["d", [{ e: 3 }]]]],
  ["a part goes", { a: { b: { c: 1, d: 2 } }, e: 3 }, { e: 3 }, [["a", { b: { c: 1, d: 2 } }]]],
  ["a field more and one less", { a: 1, b: 1 }, { a: 1, c: 1 }, [["c", undefined, 1], ["b", 1]]],
  ["lists by place", { a: [1, 2, 3] }, { a: [1, 4] }, [["a[1]", 2, 4], ["a[2]", 3]]],
  ["what is empty", { a: undefined }, { a: {}, b: [] }, [["a", undefined, {}], ["b", undefined, []]]],
  ["emptied", { a: { b: 1 } }, { a: {} }, [["a", { b: 1 }, {}]]],
  ["null is a value", { a: null }, { a: undefined }, [["a", null]]],
  ["names with dots", {}, { "cloud-run-mesh/url": "x" }, [['["cloud-run-mesh/url"]', undefined, "x"]]],
  ["a name of every object", {}, { constructor: 1 }, [["constructor", undefined, 1]]],
];

for (const [name, from, to, expected] of CASES) {
  Deno.test(`difference: ${name}`, () => {
    assert.deepEqual(
      differencesOf(from, to).map(({ path, from, to }) => [path, from, to]),
      expected.map((row) => [row[0], row[1], row[2]]),
    );
  });
}
