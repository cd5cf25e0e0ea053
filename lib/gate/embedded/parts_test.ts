import assert from "node:assert/strict";
import { Secret } from "../../base/secret.ts";
import { Counters, sumStats } from "./counters.ts";
import { OncePerMinute } from "./once_per_minute.ts";
import { RefusedTokens } from "./refused_tokens.ts";
import { RouteTable } from "./route_table.ts";

Deno.test("once per minute: each key once, all again a minute later, and no more keys than allowed", () => {
  let nowMs = 0;
  const names = new OncePerMinute({ nowMs: () => nowMs, mostKeys: 2 });
  assert.deepEqual(["a", "a", "b", "c"].map((name) => names.allows(name)), [true, false, true, false]);
  nowMs = 59_999;
  assert.deepEqual(["a", "c"].map((name) => names.allows(name)), [false, false]);
  nowMs = 60_000;
  assert.deepEqual(["c", "a", "b"].map((name) => names.allows(name)), [true, true, false]);
});

Deno.test("counters: of several threads are one sum; a service that is gone is forgotten once it is quiet", () => {
  const [one, two] = [new Counters(), new Counters()];
  Object.assign(one.of("a"), { open: 1, results: { ok: 2, idle: 1 }, in: 10, out: 20 });
  Object.assign(two.of("a"), { open: 2, results: { ok: 3 }, in: 1, out: 2 });
  Object.assign(two.of("b"), { results: { failed: 1 } });
  one.rejected.slow = 4;
  two.rejected.slow = 1;
  two.connections = 3;
  assert.deepEqual(sumStats([one.stats(), two.stats()]), {
    tunnelsOpen: new Map([["a", 3], ["b", 0]]),
    tunnelsTotal: new Map([["a", { ok: 5, idle: 1 }], ["b", { failed: 1 }]]),
    bytes: new Map([["a", { in: 11, out: 22 }], ["b", { in: 0, out: 0 }]]),
    rejected: { unknown: 0, none: 0, malformed: 0, slow: 5 },
    connections: 3,
  });
  two.keep(new Set());
  assert.deepEqual([...two.stats().tunnelsOpen.keys()], ["a"], "a has streams still");
});

Deno.test("route table: the first of two routes has a name, streams follow their target, and are cut when it goes", () => {
  const table = new RouteTable<{ service: string; serverNames: string[]; to: string }>(({ to }) => to);
  const route = (service: string, to: string, ...serverNames: string[]) => ({ service, serverNames, to });
  const cuts: string[] = [];
  const open = (name: string, stream: string) => table.find(name)!.streams.add({ cut: () => cuts.push(stream) });
  table.replace([route("a", "x", "one", "two"), route("b", "x", "two", "three"), route("a", "y", "four")]);
  assert.equal(table.find("two")!.route.service, "a");
  open("one", "a to x");
  open("three", "b to x");
  open("four", "a to y");
  table.replace([route("b", "x", "two"), route("a", "x", "five")]);
  assert.deepEqual(cuts, ["a to y"]);
  assert.deepEqual([table.find("one"), table.find("two")!.route.service], [undefined, "b"]);
  open("five", "a to x again");
  table.replace([]);
  assert.deepEqual(cuts, ["a to y", "b to x", "a to x", "a to x again"]);
});

Deno.test("refused tokens: each is dropped once, and again when it comes back later", () => {
  let nowMs = 0;
  const dropped: string[] = [];
  const refused = new RefusedTokens({ drop: (audience) => void dropped.push(audience) }, () => nowMs);
  for (const token of ["first-token", "first-token", "second-token"]) refused.drop("a", new Secret(token));
  refused.drop("b", new Secret("second-token"));
  assert.deepEqual(dropped, ["a", "a", "b"]);
  nowMs = 1_000;
  refused.drop("a", new Secret("second-token"));
  assert.deepEqual(dropped, ["a", "a", "b", "a"]);
});
