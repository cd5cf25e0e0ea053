import assert from "node:assert/strict";
import { aheadMs, clockWatch } from "./clock.ts";
import { moment } from "./moment.ts";
import { placeOf } from "./place.ts";
import { describeRight, grantCommand, registerRights, setupRights, workloadRights } from "./rights.ts";
import { numberAt, textAt, textsAt, valueAt } from "./spec.ts";
import { doctorExitCode, doctorText } from "./report.ts";
import type { Report } from "./examine.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");

Deno.test("doctor: moments", () => {
  const cases: [ms: number, text: string][] = [
    [30 * 86_400_000, "in 30 days"],
    [47 * 3_600_000, "in 47 hours"],
    [90 * 60_000, "in 90 minutes"],
    [90_000, "in 90 s"],
    [-1, "0 s ago"],
    [-3 * 86_400_000 - 5, "3 days ago"],
  ];
  for (const [ms, text] of cases) assert.equal(moment(NOW + ms, NOW), text);
});

Deno.test("doctor: where it runs", () => {
  const cases: [environment: Record<string, string>, hasKrun: boolean, place: string][] = [
    [{}, false, "laptop"],
    [{ K_SERVICE: "web" }, false, "krun"],
    [{ CLOUD_RUN_JOB: "job" }, false, "krun"],
    [{}, true, "krun"],
    [{ KUBERNETES_SERVICE_HOST: "10.0.0.1" }, false, "pod"],
    [{ KUBERNETES_SERVICE_HOST: "10.0.0.1", HGATE_ENVOY_DIR: "/run/hgate" }, false, "hgate"],
    [{ KUBERNETES_SERVICE_HOST: "10.0.0.1" }, true, "krun"],
  ];
  for (const [environment, hasKrun, place] of cases) assert.equal(placeOf(environment, hasKrun), place);
});

Deno.test("doctor: another clock, by its Date", async () => {
  const date = new Date(NOW).toUTCString();
  assert.equal(aheadMs(date, NOW, NOW + 1_000), 0); // a Date is cut to the second
  assert.equal(aheadMs(date, NOW - 60_500, NOW - 58_500), 60_000);
  assert.equal(aheadMs(null, NOW, NOW), undefined);
  assert.equal(aheadMs("yesterday", NOW, NOW), undefined);

  let now = NOW;
  const answers = [[2_000, date], [100, new Date(NOW + 9_000).toUTCString()], [500, date]] as const;
  let at = 0;
  const watch = clockWatch(() => {
    const [tookMs, date] = answers[at++]!;
    now += tookMs;
    return Promise.resolve(new Response("", { headers: { date } }));
  }, () => now);
  assert.equal(watch.aheadMs(), undefined);
  for (const _ of answers) await watch.fetch("https://example.com/", {});
  assert.equal(watch.aheadMs(), NOW + 9_500 - (NOW + 2_050)); // the quickest
});

Deno.test("doctor: places in an object, whatever its form", () => {
  const object = { spec: { ports: [{ port: 1 }], name: "x", list: ["a", 1, null, "b"] } };
  assert.equal(numberAt(object, "spec", "ports", 0, "port"), 1);
  assert.equal(textAt(object, "spec", "name"), "x");
  assert.deepEqual(textsAt(object, "spec", "list"), ["a", "b"]);
  for (const path of [["spec", "name", "length"], ["constructor"], ["spec", "ports", 9], ["no", "way"]]) {
    assert.equal(valueAt(object, ...path), undefined, path.join("."));
  }
  assert.equal(valueAt(undefined, "a"), undefined);
  assert.equal(numberAt(object, "spec", "name"), undefined);
  assert.equal(textAt(object, "spec", "ports", 0, "port"), undefined);
});

Deno.test("doctor: rights, and the command that grants them", () => {
  const words = workloadRights("shop", "default").map(describeRight);
  assert.deepEqual(words, [
    "create serviceaccounts/token default in shop",
    "get configmaps mesh-env in shop",
    "get configmaps mesh-env in istio-system",
  ]);
  const setup = setupRights("shop", "default").map(describeRight);
  assert(setup.includes("create rolebindings in shop") && setup.includes("get namespaces shop in shop"));
  // Who grants a right has to hold it.
  assert(setup.includes("create serviceaccounts/token default in shop"));
  const missing = registerRights("shop").filter(({ resource, verb }) => resource === "sidecars" || verb === "delete");
  assert.equal(
    grantCommand(missing.filter(({ group }) => group), "r", "me@example.com"),
    "kubectl create clusterrole r --verb=delete --resource=workloadentries.networking.istio.io," +
      "destinationrules.networking.istio.io,peerauthentications.security.istio.io && " +
      "kubectl create clusterrolebinding r --clusterrole=r --user=me@example.com && " +
      "kubectl create clusterrole r-2 --verb=create,delete,get,list,patch --resource=sidecars.networking.istio.io && " +
      "kubectl create clusterrolebinding r-2 --clusterrole=r-2 --user=me@example.com",
  );
});

const REPORT: Report = {
  place: "laptop",
  namespace: "shop",
  checks: [
    { id: "a.one", group: "a", title: "it is one", state: "pass", seen: "1" },
    { id: "b.second", group: "b", title: "it is two", state: "fail", seen: "3", fix: "count again" },
    { id: "a.three", group: "a", title: "it is three", state: "skip", seen: "see b.second" },
  ],
  counts: { pass: 1, warn: 0, fail: 1, skip: 1 },
};

Deno.test("doctor: the report as text, json and yaml", async () => {
  assert.equal(
    await doctorText(REPORT, "text", false),
    `doctor from outside the mesh: namespace shop
a
  ✓ one     1
  - three   see b.second
b
  ✗ second  3
            do: count again
not looked at: a Cloud Run service (--service NAME)
1 pass, 0 warn, 1 fail, 1 skip
`,
  );
  assert((await doctorText(REPORT, "text", true)).includes("\x1b[31m✗\x1b[0m second"));
  assert.deepEqual(JSON.parse(await doctorText(REPORT, "json", true)), REPORT);
  assert.match(await doctorText(REPORT, "yaml", true), /^ {2}- id: b\.second\n {4}group: b\n/m);
  assert.equal(doctorExitCode(REPORT), 1);
  assert.equal(doctorExitCode({ ...REPORT, counts: { pass: 1, warn: 2, fail: 0, skip: 1 } }), 0);
});
