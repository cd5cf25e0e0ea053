import assert from "node:assert/strict";
import { AccessTokens } from "./access_tokens.ts";
import { gkeCluster, type GkeEmulator, startGke } from "./gke.ts";

function start() {
  const accessTokens = new AccessTokens();
  const token = accessTokens.issue("a@demo-project.iam.gserviceaccount.com");
  const about = { endpoint: "192.0.2.1", caPem: "PEM", projectId: "demo-project" };
  const clusters = [
    gkeCluster({ name: "istio-demo", location: "us-central1", ...about }),
    gkeCluster({ name: "other", location: "europe-west1-b", ...about }),
  ];
  return { accessTokens, token, server: startGke({ accessTokens, clusters }) };
}

async function get(server: GkeEmulator, path: string, token?: string) {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${server.origin}/v1/${path}`, { headers });
  return { status: response.status, body: await response.json() };
}

Deno.test("gke: lists, also partially, and gets clusters", async () => {
  const { server: starting, token } = start();
  await using server = await starting;
  const all = await get(server, "projects/demo-project/locations/-/clusters", token);
  assert.deepEqual(all.body.clusters.map(({ name }: { name: string }) => name), ["istio-demo", "other"]);
  assert.equal("missingZones" in all.body, false);
  const one = await get(server, "projects/1234567890/locations/us-central1/clusters/istio-demo", token);
  assert.equal(one.body.status, "RUNNING");
  assert.equal(atob(one.body.masterAuth.clusterCaCertificate), "PEM");
  assert.equal(server.faults.requests[0]?.user, "a@demo-project.iam.gserviceaccount.com");
  server.state.missingZones.push("europe-west1-b");
  const partial = await get(server, "projects/demo-project/locations/-/clusters", token);
  assert.equal(partial.body.clusters.length, 1);
  assert.deepEqual(partial.body.missingZones, ["europe-west1-b"]);
  server.state.clusters.length = 0;
  assert.deepEqual((await get(server, "projects/demo-project/locations/us-east1/clusters", token)).body, {});
});

Deno.test("gke: refuses as Google does", async () => {
  const { server: starting, token, accessTokens } = start();
  await using server = await starting;
  const list = "projects/demo-project/locations/-/clusters";
  const expired = accessTokens.issue("a@demo-project.iam.gserviceaccount.com", -1);
  for (const bad of [undefined, "ya29.foreign", expired]) {
    const { status, body } = await get(server, list, bad);
    assert.deepEqual([status, body.error.code, body.error.status], [401, 401, "UNAUTHENTICATED"]);
    assert.equal(body.error.details[0]["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
  }
  const missing = await get(server, "projects/demo-project/locations/us-central1/clusters/none", token);
  assert.deepEqual(missing.body.error, {
    code: 404,
    message: "Not found: projects/demo-project/locations/us-central1/clusters/none.",
    status: "NOT_FOUND",
  });
  assert.equal(
    (await get(server, "projects/foreign/locations/-/clusters", token)).body.error.status,
    "PERMISSION_DENIED",
  );
  server.deniedPermissions.add("container.clusters.list");
  const denied = await get(server, list, token);
  assert.equal(denied.status, 403);
  assert.match(denied.body.error.message, /^Required "container\.clusters\.list" permission\(s\) for "projects\/demo/);
});
