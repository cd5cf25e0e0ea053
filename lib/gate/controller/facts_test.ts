import assert from "node:assert/strict";
import { MetadataServer } from "../../gcp/mod.ts";
import { readMeshFacts } from "./facts.ts";

/** A metadata server that has these values. */
function metadata(values: Record<string, string>): { server: MetadataServer; asked: string[] } {
  const asked: string[] = [];
  const server = new MetadataServer({
    fetch: (url) => {
      const path = new URL(url).pathname.replace("/computeMetadata/v1/", "");
      asked.push(path);
      const found = values[path];
      return Promise.resolve(
        new Response(found ?? "", { status: found ? 200 : 404, headers: { "metadata-flavor": "Google" } }),
      );
    },
  });
  return { server, asked };
}

const ALL = {
  "project/project-id": "p1",
  "project/numeric-project-id": "12",
  "instance/attributes/cluster-name": "c1",
  "instance/attributes/cluster-location": "us-central1",
};

Deno.test("facts: of the metadata server, where settings do not say them", async () => {
  const { server } = metadata(ALL);
  assert.deepEqual(await readMeshFacts({ clusterName: "mine", meshTenant: "-" }, server), {
    projectId: "p1",
    projectNumber: "12",
    clusterName: "mine",
    clusterLocation: "us-central1",
    meshTenant: "-",
  });
  const other = await readMeshFacts({ projectId: "p2" }, server);
  assert.equal(other.projectNumber, undefined, "the number is that of p1");
});

Deno.test("facts: nobody is asked for what settings say", async () => {
  const { server, asked } = metadata(ALL);
  const given = { projectId: "p", projectNumber: "1", clusterName: "c", clusterLocation: "l" };
  assert.deepEqual(await readMeshFacts(given, server), given);
  assert.deepEqual(asked, []);
});

Deno.test("facts: off Google Cloud there are none", async () => {
  const { server } = metadata({});
  const facts = await readMeshFacts({}, server);
  assert.deepEqual(Object.values(facts).filter(Boolean), []);
});
