import assert from "node:assert/strict";
import type { KubeObject } from "../../kube/mod.ts";
import { asOthersSay, releaseFix, standingOf } from "./standing.ts";

const OURS = { "app.kubernetes.io/managed-by": "cloud-run-mesh", "mesh-cloudrun": "web" };
const service = (metadata: Partial<KubeObject["metadata"]> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "prod", ...metadata },
});

Deno.test("standing: nobody's, ours, a person's", () => {
  assert.equal(standingOf(undefined).kind, "none");
  assert.equal(standingOf(service({ labels: OURS })).kind, "ours");
  assert.equal(standingOf(service()).kind, "person's");
  assert.equal(standingOf(service({ labels: { "mesh-cloudrun": "" } })).kind, "person's");
});

const TAKEN: [name: string, metadata: Partial<KubeObject["metadata"]>, expected: RegExp][] = [
  ["the gate's", {
    labels: OURS,
    annotations: { "cloud-run-mesh/owner": "ConfigMap prod/cloud-run-services web" },
  }, /the gate registers it for ConfigMap prod\/cloud-run-services web\n.*take web out of it/],
  ["a region's", { labels: { ...OURS, "cloud-run-mesh/part-of": "shop" } }, /one region of shop/],
];
for (const [name, metadata, expected] of TAKEN) {
  Deno.test(`standing: ${name}`, () => assert.throws(() => standingOf(service(metadata)), expected));
}

Deno.test("standing: how the gate is made to let go", () => {
  assert.equal(releaseFix("Service prod/web"), "kubectl -n prod label service web mesh-cloudrun-");
  assert.match(
    releaseFix("ConfigMap prod/cloud-run-services web-1"),
    /^take web-1 out of it: kubectl -n prod edit configmap/,
  );
});

Deno.test("standing: what others say of a Service is without our own words, also those that others say as well", () => {
  const fields = (...keys: string[]) => ({
    "f:metadata": { "f:annotations": Object.fromEntries(keys.map((key) => [`f:${key}`, {}])) },
  });
  const { metadata } = asOthersSay(service({
    annotations: { ours: "1", theirs: "2", both: "3" },
    managedFields: [
      { manager: "cloud-run-mesh", operation: "Apply", fieldsV1: fields("ours", "both") },
      { manager: "kubectl-annotate", operation: "Update", fieldsV1: fields("theirs", "both") },
    ],
  }));
  assert.deepEqual(metadata.annotations, { theirs: "2", both: "3" });
});
