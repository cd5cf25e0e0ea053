import assert from "node:assert/strict";
import { AccessTokens } from "../../tests/emulators/access_tokens.ts";
import { googleErrorBody } from "../../tests/emulators/google_api.ts";
import { EmulatedPolicy } from "../../tests/emulators/iam_policy.ts";
import { type IamEmulator, startIam } from "../../tests/emulators/iam.ts";
import { type ResourceManagerEmulator, startResourceManager } from "../../tests/emulators/resource_manager.ts";
import { startServiceUsage } from "../../tests/emulators/service_usage.ts";
import { Secret } from "../base/secret.ts";
import { grant } from "./grant.ts";
import { projectPolicy } from "./project_policy.ts";
import { projectNumber } from "./projects.ts";
import type { GoogleRest } from "./rest.ts";
import { isAccountId, type ServiceAccounts, serviceAccounts } from "./service_accounts.ts";
import { enabledApis } from "./service_usage.ts";

const EMAIL = "k8s-shop@p.iam.gserviceaccount.com";
const MEMBER = `serviceAccount:${EMAIL}`;
const SHOP = { id: "k8s-shop", displayName: "shop", description: "made here" };

interface Scene {
  iam: IamEmulator;
  resourceManager: ResourceManagerEmulator;
  accounts: ServiceAccounts;
  rest(server: { origin: string }): GoogleRest;
  /** Waits, which move the clock and nothing else; `during` is called in each. */
  waits: number[];
  during: () => void;
  clock: { now: () => number; wait: (ms: number) => Promise<void> };
}

async function withScene(test: (scene: Scene) => Promise<void>, isPersonal = false): Promise<void> {
  const accessTokens = new AccessTokens();
  const token = new Secret(accessTokens.issue("admin@example.com"));
  await using iam = await startIam({ accessTokens, projectId: "p" });
  const project = { name: "projects/42", projectId: "p", state: "ACTIVE" as const };
  await using resourceManager = await startResourceManager({ accessTokens, projects: [project], exists: iam.exists });
  const credentials = { origin: "test", isPersonal, accessToken: () => Promise.resolve(token) };
  const rest = ({ origin }: { origin: string }) => ({ credentials, endpoint: `${origin}/` });
  const waits: number[] = [];
  let at = 0;
  const clock = {
    now: () => at,
    wait(ms: number) {
      at += ms;
      waits.push(ms);
      scene.during();
      return Promise.resolve();
    },
  };
  const accounts = serviceAccounts("p", rest(iam), clock);
  const scene: Scene = { iam, resourceManager, accounts, rest, waits, clock, during: () => {} };
  await test(scene);
}

Deno.test("service accounts: made, seen, deleted, and again", async () => {
  await withScene(async ({ accounts, iam }) => {
    assert.equal(await accounts.get(EMAIL), undefined);
    const made = await accounts.create(SHOP);
    assert.deepEqual([made.email, made.description, made.displayName, made.disabled], [
      EMAIL,
      "made here",
      "shop",
      false,
    ]);
    iam.state.serviceAccounts[0]!.description = "a person's by now";
    assert.equal((await accounts.create(SHOP)).description, "a person's by now", "what is there is taken as it is");
    await accounts.delete(EMAIL);
    await accounts.delete(EMAIL);
    assert.equal(await accounts.get(EMAIL), undefined);
  });
});

Deno.test("service accounts: a lost answer is no failure, another 409 is one", async () => {
  await withScene(async ({ accounts, iam }) => {
    iam.faults.add({ match: /^POST /, times: 1, action: "reset" });
    await accounts.create(SHOP);
    await accounts.delete(EMAIL);
    iam.faults.add({
      match: /^POST /,
      times: 1,
      status: 409,
      body: googleErrorBody(409, "The operation was aborted."),
    });
    await assert.rejects(accounts.create(SHOP), /409 ABORTED/);
  });
});

Deno.test("service accounts: one that was made and cannot be read yet is waited for, a minute at most", async () => {
  await withScene(async (scene) => {
    const { accounts, iam, waits } = scene;
    const hidden = { match: /^GET /, status: 404, body: googleErrorBody(404, "Unknown service account") };
    iam.faults.add({ ...hidden, times: 3 });
    await accounts.create(SHOP);
    assert.deepEqual(waits, [500, 1_000, 2_000]);
    await accounts.delete(EMAIL);
    iam.faults.add(hidden);
    await assert.rejects(
      accounts.create(SHOP),
      /still does not show it after 60 s\n {2}do: run this again in a minute/,
    );
    assert(waits.slice(3).reduce((sum, ms) => sum + ms, 0) <= 60_000);
  });
});

Deno.test("service accounts: what is missing is named", async () => {
  await withScene(async ({ accounts, iam }) => {
    for (const permission of ["iam.serviceAccounts.get", "iam.serviceAccounts.create", "iam.serviceAccounts.delete"]) {
      iam.deniedPermissions.add(permission);
    }
    const got = new RegExp("do: grant iam\\.serviceAccounts\\.get: gcloud projects add-iam-policy-binding p ");
    await assert.rejects(accounts.get(EMAIL), got);
    await assert.rejects(accounts.create(SHOP), /iam\.serviceAccounts\.create/);
    await assert.rejects(accounts.delete(EMAIL), /iam\.serviceAccounts\.delete/);
    await assert.rejects(accounts.create({ ...SHOP, id: "short" }), /iam\.serviceAccounts\.create/);
  });
});

Deno.test("a person's credentials charge the project, and say what that needs", async () => {
  await withScene(async ({ accounts, iam }) => {
    iam.deniedPermissions.add("serviceusage.services.use");
    await assert.rejects(
      accounts.get(EMAIL),
      /do: grant serviceusage\.services\.use: gcloud projects add-iam-policy-binding p --member user:YOU --role roles\/serviceusage\.serviceUsageConsumer/,
    );
  }, true);
});

Deno.test("grant: waits for an account that policies do not know yet, and keeps everything else", async () => {
  await withScene(async (scene) => {
    const { iam, resourceManager, rest, waits, clock } = scene;
    let isKnown = false;
    const condition = { title: "t", expression: "e" };
    const others = [{ role: "roles/browser", members: ["user:a@b.c"], condition }];
    const policy = new EmulatedPolicy({ bindings: others, exists: (member) => member !== MEMBER || isKnown });
    resourceManager.state.policies.set("p", policy);
    scene.during = () => isKnown = waits.length === 2;
    iam.add("k8s-shop");
    const store = projectPolicy("p", rest(resourceManager));
    await grant(store, "roles/x.y", MEMBER, clock);
    assert.deepEqual(waits, [500, 1_000]);
    assert.deepEqual(policy.bindings, [...others, { role: "roles/x.y", members: [MEMBER] }]);
    isKnown = false;
    scene.during = () => {};
    await assert.rejects(grant(store, "roles/x.z", MEMBER, clock), (error: Error) => {
      assert.match(error.message, /grant roles\/x\.z to serviceAccount:k8s-shop@.* in the IAM policy of project p/);
      assert.match(error.message, /400 INVALID_ARGUMENT: Service account k8s-shop@.* does not exist/);
      return /do: gcloud iam service-accounts describe k8s-shop@p\.iam/.test(error.message);
    });
    isKnown = true;
    await assert.rejects(grant(store, "no role", MEMBER, clock), { status: 400 });
  });
});

Deno.test("projects: the number; which APIs are on", async () => {
  await withScene(async ({ resourceManager, rest }) => {
    assert.equal(await projectNumber("p", rest(resourceManager)), "42");
    await assert.rejects(projectNumber("other", rest(resourceManager)), /403/);
  });
  const accessTokens = new AccessTokens();
  const token = new Secret(accessTokens.issue("a@b.c"));
  await using usage = await startServiceUsage({
    accessTokens,
    projectId: "p",
    enabled: new Set(["run.googleapis.com"]),
  });
  const rest = {
    credentials: { origin: "test", accessToken: () => Promise.resolve(token) },
    endpoint: `${usage.origin}/`,
  };
  const on = await enabledApis("p", ["run.googleapis.com", "iam.googleapis.com"], rest);
  assert.deepEqual([...on], ["run.googleapis.com"]);
});

Deno.test("service accounts: what an id may be", () => {
  for (const id of ["k8s-ab", "a12345", "a".repeat(30)]) assert.equal(isAccountId(id), true, id);
  for (const id of ["k8s-a", "a".repeat(31), "1abcdef", "abcde-", "Abcdef", "abc_ef"]) {
    assert.equal(isAccountId(id), false, id);
  }
});
