import assert from "node:assert/strict";
import { verifySignature } from "./json_web_token.ts";
import { type MetadataEmulator, startMetadata } from "./metadata.ts";

const FLAVOR = { "metadata-flavor": "Google" };

async function get(server: MetadataEmulator, path: string, headers: Record<string, string> = FLAVOR) {
  const response = await fetch(`${server.origin}/computeMetadata/v1/${path}`, { headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

Deno.test("metadata: plain entries, with the flavor header both ways", async () => {
  await using server = await startMetadata();
  const expected = {
    "project/project-id": "demo-project",
    "project/numeric-project-id": "1234567890",
    "instance/region": "projects/1234567890/regions/us-central1",
    "instance/zone": "projects/1234567890/zones/us-central1-1",
    "instance/id": server.state.instanceId,
    "instance/service-accounts/default/email": "k8s-demo@demo-project.iam.gserviceaccount.com",
    "universe/universe-domain": "googleapis.com",
    "instance/service-accounts/": "default/\nk8s-demo@demo-project.iam.gserviceaccount.com/\n",
  };
  for (const [path, value] of Object.entries(expected)) {
    const answer = await get(server, path);
    assert.deepEqual([answer.status, answer.text, answer.headers.get("metadata-flavor")], [200, value, "Google"], path);
  }
  assert.equal((await get(server, "instance/nothing")).status, 404);
  assert.equal((await get(server, "project/project-id", {})).status, 403);
  assert.equal((await get(server, "project/project-id", { ...FLAVOR, "x-forwarded-for": "192.0.2.1" })).status, 403);
});

Deno.test("metadata: recursive answers are camel case and hold no token", async () => {
  await using server = await startMetadata();
  const account = await get(server, "instance/service-accounts/default/?recursive=true");
  assert.deepEqual(JSON.parse(account.text), {
    aliases: ["default"],
    email: server.state.email,
    scopes: ["https://www.googleapis.com/auth/cloud-platform"],
  });
  const all = JSON.parse((await get(server, "?recursive=true")).text);
  assert.deepEqual(all.project, { numericProjectId: 1234567890, projectId: "demo-project" });
  assert.equal(all.universe.universeDomain, "googleapis.com");
  assert.deepEqual(Object.keys(all.instance.serviceAccounts), ["default", server.state.email]);
});

Deno.test("metadata: access tokens are kept, known to the registry, and follow the account", async () => {
  await using server = await startMetadata({ accessToken: "ya29.first" });
  const path = "instance/service-accounts/default/token?scopes=https://www.googleapis.com/auth/cloud-platform";
  const first = JSON.parse((await get(server, path)).text);
  assert.equal(first.access_token, "ya29.first");
  assert.equal(first.token_type, "Bearer");
  assert.ok(first.expires_in > 3590 && first.expires_in <= 3600, String(first.expires_in));
  assert.equal(server.accessTokens.ownerOf(first.access_token), server.state.email);
  assert.equal(JSON.parse((await get(server, path)).text).access_token, "ya29.first");
  server.accessTokens.revoke("ya29.first");
  const second = JSON.parse((await get(server, path)).text).access_token;
  assert.notEqual(second, "ya29.first");
  server.state.email = "other@demo-project.iam.gserviceaccount.com";
  const third = JSON.parse((await get(server, path)).text).access_token;
  assert.equal(server.accessTokens.ownerOf(third), server.state.email);
});

Deno.test("metadata: ID tokens are signed for the audience asked for", async () => {
  await using server = await startMetadata();
  const path = "instance/service-accounts/default/identity";
  const { text } = await get(server, `${path}?audience=https://hello.a.run.app&format=full`);
  const claims = verifySignature(text, server.signer.jwks);
  assert.equal(claims?.aud, "https://hello.a.run.app");
  assert.equal(claims.iss, "https://accounts.google.com");
  assert.equal(claims.email, server.state.email);
  assert.equal(Number(claims.exp) - Number(claims.iat), 3600);
  const [header, payload, signature = ""] = text.split(".");
  const forged = `${header}.${payload}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
  assert.equal(verifySignature(forged, server.signer.jwks), undefined);
  assert.equal(verifySignature("not.a.token", server.signer.jwks), undefined);
  const standard = verifySignature((await get(server, `${path}?audience=a`)).text, server.signer.jwks);
  assert.equal(standard?.email, undefined);
  assert.equal((await get(server, path)).status, 400);
});
