import assert from "node:assert/strict";
import type { RunResource, RunRevision, RunTraffic } from "../../gcp/mod.ts";
import { addChange, type AddOptions, changed, changeDifferences, restoreChange, shiftChange } from "./change.ts";
import { changedSince } from "./changed_since.ts";
import { ATTEMPT, FORMER, formerOf, SHIFT } from "./record.ts";
import { elsewhere } from "./traffic.ts";

const NAME = "projects/p/locations/r/services/web";
const revisionName = (name: string) => `${NAME}/revisions/${name}`;
const LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
const REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";
const to = (revision: string, percent?: number, tag?: string): RunTraffic => ({
  type: REVISION,
  revision,
  ...(percent ? { percent } : {}),
  ...(tag ? { tag } : {}),
});
const latest = (percent?: number, tag?: string): RunTraffic => ({
  type: LATEST,
  ...(percent ? { percent } : {}),
  ...(tag ? { tag } : {}),
});
const TAG = latest(undefined, "mesh");

const SERVICE: RunResource = {
  name: NAME,
  etag: '"1"',
  generation: "4",
  annotations: { theirs: "x" },
  template: { labels: { a: "b" }, annotations: { c: "d" }, containers: [{ name: "web-1", image: "app:1" }] },
  traffic: [latest(100)],
  latestCreatedRevision: revisionName("web-00004-abc"),
  latestReadyRevision: revisionName("web-00004-abc"),
  terminalCondition: { type: "Ready", state: "CONDITION_SUCCEEDED" },
};
const FORMER_REVISION: RunRevision = {
  name: revisionName("web-00004-abc"),
  uid: "u",
  service: NAME,
  labels: { a: "b", "of-cloud-run": "x" },
  conditions: [],
  containers: [{ name: "web-1", image: "app:1" }],
};
const OPTIONS: AddOptions = {
  mesh: { image: "golden:1", namespace: "shop", capture: "auto", env: {}, limits: { cpu: "1", memory: "512Mi" } },
  tag: "mesh",
};

/** The service when Cloud Run has done what was asked. */
function done(service: RunResource, isReady = true): RunResource {
  const created = revisionName(`web-0000${Number(service.generation) + 1}-def`);
  return {
    ...service,
    generation: String(Number(service.generation) + 1),
    latestCreatedRevision: created,
    ...(isReady ? { latestReadyRevision: created } : {
      terminalCondition: { type: "Ready", state: "CONDITION_FAILED", message: "it does not start" },
    }),
  };
}

const added = (service: RunResource = SERVICE) => changed(service, addChange(service, OPTIONS)!);

Deno.test("add: krun, requests as they are, a record; then requests to it; then nothing more", () => {
  const first = addChange(SERVICE, OPTIONS)!;
  assert.deepEqual(first.mask, ["template", "traffic", "annotations"]);
  assert.deepEqual(first.fields.traffic, [to("web-00004-abc", 100), TAG]);
  assert.equal(first.fields.annotations!["theirs"], "x");
  assert.deepEqual(formerOf(changed(SERVICE, first)), {
    revision: "web-00004-abc",
    traffic: [latest(100)],
    tag: "mesh",
    template: { labels: { a: "b" }, annotations: { c: "d" } },
  });
  const there = done(added());
  assert.equal(addChange(there, OPTIONS), undefined);
  const second = shiftChange(there)!;
  assert.deepEqual(second.fields.traffic, [latest(100), TAG]);
  assert.deepEqual(Object.keys(second.fields.annotations!), ["theirs", FORMER]);
  const all = changed(there, second);
  assert.deepEqual([addChange(all, OPTIONS), shiftChange(all)], [undefined, undefined]);
  assert.deepEqual(restoreChange(all, formerOf(all)!, FORMER_REVISION), {
    fields: { template: SERVICE.template, traffic: SERVICE.traffic, annotations: SERVICE.annotations },
    mask: ["template", "traffic", "annotations"],
  });
});

const SPLITS: [
  name: string,
  before: RunTraffic[] | undefined,
  during: RunTraffic[],
  after: RunTraffic[],
  old: number,
][] = [
  ["nothing said", undefined, [to("web-00004-abc", 100)], [latest(100)], 0],
  [
    "a canary that follows the latest",
    [to("web-00002-xyz", 90), latest(10)],
    [to("web-00002-xyz", 90), to("web-00004-abc", 10)],
    [to("web-00002-xyz", 90), latest(10)],
    90,
  ],
  [
    "pinned to the latest by its name",
    [to("web-00004-abc", 100)],
    [to("web-00004-abc", 100)],
    [to("web-00005-def", 100)],
    0,
  ],
  [
    "pinned to another: nothing is led to it",
    [to("web-00001-old", 100)],
    [to("web-00001-old", 100)],
    [to("web-00001-old", 100)],
    100,
  ],
  [
    "tags stay where they are",
    [latest(100), to("web-00004-abc", 0, "stable"), latest(0, "next")],
    [to("web-00004-abc", 100), to("web-00004-abc", 0, "stable"), to("web-00004-abc", 0, "next")],
    [latest(100), to("web-00004-abc", 0, "stable"), latest(0, "next")],
    0,
  ],
];
for (const [name, before, during, after, old] of SPLITS) {
  Deno.test(`add, traffic: ${name}`, () => {
    const service = { ...SERVICE, traffic: before };
    const first = added(service);
    assert.deepEqual(first.traffic, [...during, TAG]);
    const second = changed(done(first), shiftChange(done(first))!);
    assert.deepEqual(second.traffic, [...after, TAG]);
    assert.equal(elsewhere(second.traffic!, "web-00005-def"), old);
    assert.deepEqual(formerOf(second)!.traffic, before ?? []);
  });
}

Deno.test("add: a newer krun is brought in as the first was, and the record stays", () => {
  const all = changed(done(added()), shiftChange(done(added()))!);
  const newer = { ...OPTIONS, mesh: { ...OPTIONS.mesh, image: "golden:2" } };
  const change = addChange(all, newer)!;
  assert.deepEqual(change.fields.traffic, [to("web-00005-def", 100), TAG]);
  assert.equal(change.fields.annotations![FORMER], all.annotations![FORMER]);
  const there = done(changed(all, change));
  assert.deepEqual(shiftChange(there)!.fields.traffic, [latest(100), TAG]);
  assert.deepEqual(changeDifferences(all, { ...change, mask: ["template"] }), [
    { path: "template.containers.krun.image", from: "golden:1", to: "golden:2" },
  ]);
});

Deno.test("add: one that failed is tried again as another revision, and requests go at last where they were to go", () => {
  const failed = done(added({ ...SERVICE, traffic: [to("web-00002-xyz", 90), latest(10)] }), false);
  const again = addChange(failed, OPTIONS)!;
  assert.equal(again.fields.template!.annotations![ATTEMPT], "5");
  assert.deepEqual(again.fields.traffic, failed.traffic);
  const there = { ...done(changed(failed, again)), terminalCondition: { state: "CONDITION_SUCCEEDED" } };
  assert.equal(addChange(there, OPTIONS), undefined);
  assert.deepEqual(shiftChange(there)!.fields.traffic, [to("web-00002-xyz", 90), latest(10), TAG]);
  assert.deepEqual(changedSince(there, formerOf(there)!, FORMER_REVISION), [], "our own note is no change of theirs");
});

Deno.test("add: requests that somebody has led elsewhere meanwhile stay there", () => {
  const there = { ...done(added()), traffic: [to("web-00004-abc", 50), to("web-00005-def", 50), TAG] };
  const change = shiftChange(there)!;
  assert.deepEqual(change.mask, ["annotations"]);
  assert.equal(change.fields.annotations![SHIFT], undefined);
});

Deno.test("add: what cannot be begun", () => {
  const refused: [Partial<RunResource>, RegExp][] = [
    [{ reconciling: true }, /a change of it is on its way/],
    [{ terminalCondition: { state: "CONDITION_FAILED", message: "no image" } }, /does not serve: no image/],
    [{ latestReadyRevision: "" }, /no revision that is ready/],
    [{ traffic: [latest(100), to("web-00001-old", 0, "mesh")] }, /tag mesh leads to a revision of its own[^]*--tag/],
  ];
  for (const [fields, got] of refused) {
    assert.throws(() => addChange({ ...SERVICE, ...fields }, OPTIONS), (error: Error) => got.test(error.message));
  }
});

Deno.test("remove: what somebody has changed since add-service is named", () => {
  const all = changed(done(added()), shiftChange(done(added()))!);
  const since = (edit: (containers: Record<string, unknown>[]) => void, more = {}) => {
    const containers = structuredClone(all.template!.containers!);
    edit(containers);
    return changedSince(
      { ...all, template: { ...all.template, containers, ...more } },
      formerOf(all)!,
      FORMER_REVISION,
    );
  };
  assert.deepEqual(since(() => {}), []);
  assert.deepEqual(
    since(([krun]) => krun!["image"] = "golden:9", { serviceAccount: "a", vpcAccess: {} }),
    [],
    "settings",
  );
  const found = since(([_, app]) => app!["image"] = "app:2", { timeout: "9s" });
  assert.deepEqual(found.sort(), ["containers.web-1.image", "timeout"]);
  assert.deepEqual(since((all) => all.shift()), ["krun's container is gone"]);
});

Deno.test("add: differences name containers and variables, and show none of the app's own values", () => {
  const service = {
    ...SERVICE,
    template: { containers: [{ image: "app:1", env: [{ name: "KEY", value: "their-secret" }] }] },
  };
  const shown = changeDifferences(service, { ...addChange(service, OPTIONS)!, mask: ["template"] });
  assert(shown.some(({ path, to }) => path === "template.containers.krun.env.PORT_http" && to === "8080"));
  assert(shown.some(({ path, to }) => path === "template.containers.app.env.PORT" && to === "8080"));
  assert.doesNotMatch(JSON.stringify(shown), /their-secret/);
});
