import assert from "node:assert/strict";
import { AccessTokens } from "./access_tokens.ts";
import { startResourceManager } from "./resource_manager.ts";

Deno.test("resource manager: a project by id and by number, 403 for any other", async () => {
  const accessTokens = new AccessTokens();
  const headers = { authorization: `Bearer ${accessTokens.issue("a@example.com")}` };
  const project = {
    name: "projects/42",
    projectId: "p",
    state: "ACTIVE" as const,
    labels: { "mesh-namespace": "demo" },
  };
  await using server = await startResourceManager({ accessTokens, projects: [project] });
  for (const name of ["p", "42"]) {
    assert.deepEqual(await (await fetch(`${server.origin}/v3/projects/${name}`, { headers })).json(), project);
  }
  const other = await fetch(`${server.origin}/v3/projects/other`, { headers });
  assert.equal(other.status, 403);
  assert.equal((await other.json()).error.status, "PERMISSION_DENIED");
  const anonymous = await fetch(`${server.origin}/v3/projects/p`);
  assert.equal(anonymous.status, 401);
  await anonymous.body?.cancel();
});
