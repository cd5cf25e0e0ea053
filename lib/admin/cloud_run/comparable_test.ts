import assert from "node:assert/strict";
import { comparable } from "./comparable.ts";

const SAME: [name: string, a: unknown, b: unknown][] = [
  ["what is nothing", { a: 0, b: "", c: false, d: [], e: null, f: undefined, g: { h: 0 } }, { g: {} }],
  ["in lists", { a: [{ b: 0, c: 1 }] }, { a: [{ c: 1 }] }],
  ["processors", { limits: { cpu: "1", memory: "512Mi" } }, { limits: { cpu: "1000m", memory: "512Mi" } }],
  ["a part of one", { cpu: "0.5" }, { cpu: "500m" }],
  ["a connector", { connector: "projects/p/locations/r/connectors/c" }, {
    connector: "projects/1/locations/r/connectors/c",
  }],
];
for (const [name, a, b] of SAME) {
  Deno.test(`comparable: ${name}`, () => assert.deepEqual(comparable(a), comparable(b)));
}

Deno.test("comparable: what differs", () => {
  assert.notDeepEqual(comparable({ cpu: "1" }), comparable({ cpu: "100m" }));
  assert.notDeepEqual(comparable({ emptyDir: {} }), comparable({}));
  assert.notDeepEqual(comparable({ env: [{ name: "A" }] }), comparable({ env: [{ name: "B" }] }));
});
