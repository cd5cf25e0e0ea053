import assert from "node:assert/strict";
import type { GkeCluster } from "../gcp/mod.ts";
import { theOne } from "./google_cluster.ts";

const cluster = (name: string, location: string) => ({ name, location }) as GkeCluster;
const named = { name: "mesh", location: undefined, usual: [undefined], project: "p" };

Deno.test("a GKE cluster by its name: the only one, or the one where gcloud's commands look", () => {
  const all = [cluster("mesh", "us-central1"), cluster("other", "us-central1")];
  assert.equal(theOne(named, all).location, "us-central1");
  const two = [...all, cluster("mesh", "europe-west1-b")];
  assert.equal(theOne({ ...named, usual: [undefined, "europe-west1-b"] }, two).location, "europe-west1-b");
  assert.throws(() => theOne(named, two), /there is one in each of us-central1, europe-west1-b\n {2}do: --location/);
  assert.throws(() => theOne({ ...named, name: "none" }, all), /it has mesh in us-central1, other in us-central1\n/);
  assert.throws(() => theOne(named, []), /there is none: it has no clusters\n/);
});
