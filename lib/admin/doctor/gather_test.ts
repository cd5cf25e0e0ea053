import assert from "node:assert/strict";
import { HttpError } from "../../base/http.ts";
import { Problem } from "../../base/errors.ts";
import { CHECKS } from "./checks/all.ts";
import { gather, type Sources } from "./gather.ts";
import type { FactName, Outside, Source } from "./source.ts";
import { SOURCES } from "./sources/all.ts";

const made = (given: Partial<Source>): Source => ({
  label: "it",
  needs: [],
  wants: [],
  isOfService: false,
  deadlines: 1,
  look: () => Promise.resolve(undefined),
  ...given,
});
/** Sources under real names; what is not given is never asked for. */
const sources = (given: Partial<Record<FactName, Partial<Source>>>) =>
  Object.fromEntries(Object.entries(given).map(([name, one]) => [name, made(one)])) as Sources;
const outside = { service: "web" } as Outside;
const options = (timeoutMs = 1_000, signal = new AbortController().signal) => ({ timeoutMs, signal });

Deno.test("gather: each source once, as soon as what it needs is there", async () => {
  const order: string[] = [];
  const look = (name: string, value: unknown): Partial<Source> => ({
    look(facts) {
      order.push(`${name} by ${JSON.stringify(facts)}`);
      return Promise.resolve(value);
    },
  });
  const looked = await gather(
    sources({
      token: { ...look("token", 1), needs: ["credentials"] },
      credentials: look("credentials", 2),
      project: { ...look("project", 3), needs: ["credentials"], wants: ["token"] },
    }),
    ["project", "token", "credentials"],
    outside,
    options(),
  );
  assert.deepEqual(looked, {
    credentials: { is: "known", value: 2 },
    token: { is: "known", value: 1 },
    project: { is: "known", value: 3 },
  });
  assert.deepEqual(order, [
    "credentials by {}",
    'token by {"credentials":2}',
    'project by {"credentials":2,"token":1}',
  ]);
});

Deno.test("gather: what fails blocks those behind it, by its own name, and nothing else", async () => {
  const refused = new HttpError({ tried: "read roles", got: "403 Forbidden", fix: "ask for it" }, 403, "", undefined);
  const looked = await gather(
    sources({
      cluster: { label: "the cluster", look: () => Promise.reject(new Problem({ tried: "x", got: "y", fix: "z" })) },
      version: { label: "its version", needs: ["cluster"] },
      roles: { needs: ["version"] },
      labels: { look: () => Promise.reject(refused) },
      clocks: { wants: ["version", "labels"], look: (facts) => Promise.resolve(Object.keys(facts).length) },
      run: { isOfService: true },
    }),
    ["roles", "clocks", "run"],
    { ...outside, service: undefined },
    options(),
  );
  assert.deepEqual(looked, {
    cluster: { is: "failed", why: "x: y", fix: "z" },
    version: { is: "blocked", why: "the cluster" },
    roles: { is: "blocked", why: "the cluster" },
    labels: { is: "refused", why: "403 Forbidden", fix: "ask for it" },
    clocks: { is: "known", value: 0 },
    run: { is: "blocked", why: "--service NAME" },
  });
});

Deno.test("gather: a look that never ends is given up, and called off", async () => {
  let isCalledOff = false;
  const never = (signal: AbortSignal) =>
    new Promise<never>(() => signal.addEventListener("abort", () => isCalledOff = true));
  const looked = await gather(
    sources({
      cluster: { deadlines: 2, look: (_facts, _outside, signal) => never(signal) },
      version: { needs: ["cluster"] },
    }),
    ["version"],
    outside,
    options(20),
  );
  assert.deepEqual(looked.cluster, { is: "failed", why: "no answer within 40 ms" });
  assert.equal(isCalledOff, true);
  const stop = new AbortController();
  const asked = gather(
    sources({ cluster: { look: () => never(stop.signal) } }),
    ["cluster"],
    outside,
    options(9_999, stop.signal),
  );
  stop.abort(new Error("interrupted"));
  await assert.rejects(asked, { message: "interrupted" });
});

/** The longest chain of deadlines behind a source. */
function longest(name: FactName, on: readonly FactName[] = []): number {
  assert(!on.includes(name), `${[...on, name].join(" → ")} goes round`);
  const { needs, wants, deadlines } = SOURCES[name];
  return deadlines + Math.max(0, ...[...needs, ...wants].map((next) => longest(next, [...on, name])));
}

Deno.test("sources: none needs itself, and all of it ends within nine deadlines", () => {
  const all = (Object.keys(SOURCES) as FactName[]).map((name) => longest(name));
  assert(Math.max(...all) <= 9, `${Math.max(...all)}`);
});

Deno.test("checks: each source that may fail has one check that says so", () => {
  // What these say others say too, or nobody misses.
  const untold = [
    "user",
    "clientCertificate",
    "workload",
    "hasServicesToRegister",
    "projectPolicy",
    "externalPort",
    "statusPort",
  ];
  const owned = CHECKS.flatMap(({ owns }) => owns);
  assert.deepEqual(Object.keys(SOURCES).filter((name) => !untold.includes(name)).sort(), [...new Set(owned)].sort());
  assert.equal(owned.length, new Set(owned).size);
});

Deno.test("checks: ids are words of their own, and stand behind those that explain them", () => {
  const before = new Set<string>();
  for (const { id, title, after, explainedBy, owns, mend } of CHECKS) {
    assert.match(id, /^[a-z-]+\.[a-z0-9-]+$/);
    assert(!before.has(id), `${id} twice`);
    for (const other of [...after, ...explainedBy]) assert(before.has(other), `${id} stands before ${other}`);
    assert(title && !/[.:]$/.test(title), id);
    assert(owns.length === 0 || mend || ["namespace.known", "clock.skew"].includes(id), `${id} says no remedy`);
    before.add(id);
  }
});

Deno.test("checks: docs/admin.md names each, and no others", async () => {
  const page = await Deno.readTextFile(new URL("../../../docs/admin.md", import.meta.url));
  const table = page.slice(page.indexOf("| check |")).split("\n\n")[0]!;
  const named = table.trim().split("\n").flatMap((row) =>
    [...row.split("|")[1]!.matchAll(/`([a-z-]+\.[a-z0-9-]+)`/g)].map(([, id]) => id)
  );
  assert.deepEqual(named.sort(), CHECKS.map(({ id }) => id).sort());
});
