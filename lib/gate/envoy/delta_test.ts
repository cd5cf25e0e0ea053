import assert from "node:assert/strict";
import { deltaOf } from "./delta.ts";
import { type DeltaRequest, DeltaType } from "./delta_type.ts";
import type { Resource } from "./resources.ts";

const resource = (name: string, version: string): Resource => ({
  name,
  version,
  resource: { type_url: "t", value: new Uint8Array() },
});
const wantedOf = (...pairs: [string, string][]) =>
  new Map(pairs.map(([name, v]) => [name, resource(name, v)] as const));
const none = () => false;

const CASES: {
  name: string;
  known: [string, string][];
  wanted: [string, string][];
  subscribed: "*" | string[];
  kept?: string[];
  sent: string[];
  removed: string[];
}[] = [
  {
    name: "everything to one that has nothing",
    known: [],
    wanted: [["a", "1"], ["b", "1"]],
    subscribed: "*",
    sent: ["a", "b"],
    removed: [],
  },
  {
    name: "nothing to one that has it",
    known: [["a", "1"]],
    wanted: [["a", "1"]],
    subscribed: "*",
    sent: [],
    removed: [],
  },
  {
    name: "what has changed alone",
    known: [["a", "1"], ["b", "1"]],
    wanted: [["a", "1"], ["b", "2"]],
    subscribed: "*",
    sent: ["b"],
    removed: [],
  },
  {
    name: "what has gone by name",
    known: [["a", "1"], ["b", "1"]],
    wanted: [["a", "1"]],
    subscribed: "*",
    sent: [],
    removed: ["b"],
  },
  {
    name: "what it may keep is not taken from it",
    known: [["a", "1"]],
    wanted: [],
    subscribed: "*",
    kept: ["a"],
    sent: [],
    removed: [],
  },
  {
    name: "only names that it asked for",
    known: [],
    wanted: [["a", "1"], ["b", "1"]],
    subscribed: ["b", "c"],
    sent: ["b"],
    removed: [],
  },
];

for (const { name, known, wanted, subscribed, kept = [], sent, removed } of CASES) {
  Deno.test(`delta: ${name}`, () => {
    const names = subscribed === "*" ? subscribed : new Set(subscribed);
    const delta = deltaOf(new Map(known), wantedOf(...wanted), names, (one) => kept.includes(one));
    assert.deepEqual(delta.resources.map((one) => one.name), sent);
    assert.deepEqual(delta.removed, removed);
  });
}

const request = (changed: Partial<DeltaRequest> = {}): DeltaRequest => ({
  type_url: "t",
  resource_names_subscribe: [],
  resource_names_unsubscribe: [],
  initial_resource_versions: {},
  response_nonce: "",
  error_detail: null,
  ...changed,
});

Deno.test("delta: one that comes again gets the differences to what it says it has", () => {
  const type = new DeltaType();
  type.take(request({ initial_resource_versions: { a: "1", b: "1", c: "1" } }));
  const delta = type.next({ resources: wantedOf(["a", "1"], ["b", "2"]), kept: none });
  assert.deepEqual(delta.resources.map(({ name }) => name), ["b"]);
  assert.deepEqual(delta.removed, ["c"]);
});

Deno.test("delta: what was refused is not sent again until it changes", () => {
  const type = new DeltaType();
  type.take(request());
  assert.ok(type.awaitsFirst);
  assert.equal(type.next({ resources: wantedOf(["a", "1"]), kept: none }).resources.length, 1);
  type.sent("n1");
  assert.ok(!type.settled && !type.awaitsFirst);
  const error_detail = { code: 13, message: "no such thing" };
  assert.equal(type.take(request({ response_nonce: "n1", error_detail })), "no such thing");
  assert.ok(type.settled);
  assert.deepEqual(type.next({ resources: wantedOf(["a", "1"]), kept: none }), { resources: [], removed: [] });
  assert.equal(type.next({ resources: wantedOf(["a", "2"]), kept: none }).resources.length, 1);
});

Deno.test("delta: names that are asked for later, and given up", () => {
  const type = new DeltaType();
  const snapshot = { resources: wantedOf(["a", "1"], ["b", "1"]), kept: none };
  type.take(request({ resource_names_subscribe: ["a"] }));
  assert.deepEqual(type.next(snapshot).resources.map(({ name }) => name), ["a"]);
  type.take(request({ resource_names_subscribe: ["b"], resource_names_unsubscribe: ["a"] }));
  assert.deepEqual(type.next(snapshot).resources.map(({ name }) => name), ["b"]);
  type.take(request({ resource_names_subscribe: ["a"] }));
  assert.deepEqual(type.next(snapshot).resources.map(({ name }) => name), ["a"], "it had given it up");
});
