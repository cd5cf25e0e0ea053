import assert from "node:assert/strict";
import { AccessTokens } from "./access_tokens.ts";
import { type IamEmulator, startIam } from "./iam.ts";

async function withIam(test: (iam: IamEmulator, call: Call) => Promise<void>): Promise<void> {
  const accessTokens = new AccessTokens();
  await using iam = await startIam({ accessTokens, projectId: "p" });
  const authorization = `Bearer ${accessTokens.issue("a@example.com")}`;
  await test(iam, async (method, path, body) => {
    const response = await iam.fetch(`${iam.origin}/v1/projects/${path}`, {
      method,
      headers: { authorization },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  });
}

// deno-lint-ignore no-explicit-any
type Call = (method: string, path: string, body?: unknown) => Promise<{ status: number; body: any }>;

const EMAIL = "web-app@p.iam.gserviceaccount.com";

Deno.test("iam: an account is made, read by e-mail and by id, listed, deleted", async () => {
  await withIam(async (iam, call) => {
    assert.deepEqual((await call("GET", "p/serviceAccounts")).body, {}, "an empty list is left out");
    const body = { accountId: "web-app", serviceAccount: { displayName: "Web", description: "d" } };
    const made = await call("POST", "p/serviceAccounts", body);
    assert.deepEqual([made.status, made.body.email, made.body.description], [200, EMAIL, "d"]);
    assert.deepEqual((await call("GET", `p/serviceAccounts/${EMAIL}`)).body, made.body);
    assert.deepEqual((await call("GET", `-/serviceAccounts/${made.body.uniqueId}`)).body, made.body);
    assert.equal((await call("GET", "p/serviceAccounts")).body.accounts.length, 1);
    const again = await call("POST", "p/serviceAccounts", body);
    assert.deepEqual([again.status, again.body.error.status], [409, "ALREADY_EXISTS"]);
    assert.equal(again.body.error.details[0].resourceName, `projects/p/serviceAccounts/${EMAIL}`);
    assert.equal((await call("DELETE", `p/serviceAccounts/${EMAIL}`)).status, 200);
    assert.equal((await call("DELETE", `p/serviceAccounts/${EMAIL}`)).body.error.status, "NOT_FOUND");
    assert.deepEqual(iam.faults.requests.at(-1)!.permissions, ["iam.serviceAccounts.delete"]);
  });
});

Deno.test("iam: what is no account id, and what is too long, is refused", async () => {
  await withIam(async (_, call) => {
    const cases: [body: unknown, says: RegExp][] = [
      [{ accountId: "k8s-a" }, /The account ID "k8s-a" does not have a length between 6 and 30\./],
      [{ accountId: "1-abcdef" }, /Invalid account ID/],
      [{}, /required/],
      [{ accountId: "web-app", serviceAccount: { description: "é".repeat(129) } }, /longer than 256 bytes/],
    ];
    for (const [body, says] of cases) {
      const { status, body: answer } = await call("POST", "p/serviceAccounts", body);
      assert.equal(status, 400);
      assert.match(answer.error.message, says);
    }
    assert.equal((await call("POST", "other/serviceAccounts", { accountId: "web-app" })).status, 403);
  });
});

Deno.test("iam: an account's own policy; a new account is not seen by policies at once", async () => {
  await withIam(async (iam, call) => {
    iam.state.invisibleMs = 10_000;
    iam.add("web-app");
    assert.equal(iam.exists(`serviceAccount:${EMAIL}`), false);
    assert.equal(iam.exists("serviceAccount:x-y-z-1@p.iam.gserviceaccount.com"), false);
    assert.equal(iam.exists("serviceAccount:x-y-z-1@other.iam.gserviceaccount.com"), true);
    assert.equal(iam.exists("user:a@b.c"), true);
    const set = await call("POST", `p/serviceAccounts/${EMAIL}:setIamPolicy`, {
      policy: { bindings: [{ role: "roles/iam.serviceAccountUser", members: ["user:a@b.c"] }] },
    });
    assert.equal(set.status, 200);
    const got = await call("POST", `p/serviceAccounts/${EMAIL}:getIamPolicy?options.requestedPolicyVersion=3`);
    assert.deepEqual(got.body.bindings, [{ role: "roles/iam.serviceAccountUser", members: ["user:a@b.c"] }]);
    const unseen = { policy: { bindings: [{ role: "roles/x.y", members: [`serviceAccount:${EMAIL}`] }] } };
    const refused = await call("POST", `p/serviceAccounts/${EMAIL}:setIamPolicy`, unseen);
    assert.match(refused.body.error.message, /Service account web-app@.* does not exist\./);
  });
});

Deno.test("google: who names a project to be charged needs a right in it", async () => {
  const accessTokens = new AccessTokens();
  await using iam = await startIam({ accessTokens, projectId: "p" });
  iam.deniedPermissions.add("serviceusage.services.use");
  const headers = { authorization: `Bearer ${accessTokens.issue("a@b.c")}` };
  const url = `${iam.origin}/v1/projects/p/serviceAccounts`;
  assert.equal((await iam.fetch(url, { headers })).status, 200);
  const charged = await iam.fetch(url, { headers: { ...headers, "x-goog-user-project": "p" } });
  assert.equal((await charged.json()).error.details[0].reason, "USER_PROJECT_DENIED");
});
