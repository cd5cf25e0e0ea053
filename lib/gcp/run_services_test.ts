import assert from "node:assert/strict";
import { AccessTokens } from "../../tests/emulators/access_tokens.ts";
import { type CloudRunEmulator, startCloudRun } from "../../tests/emulators/cloud_run.ts";
import { googleErrorBody } from "../../tests/emulators/google_api.ts";
import { Secret } from "../base/secret.ts";
import { RunOperationError } from "./run_operation.ts";
import { type RunServiceStore, runServiceStore } from "./run_services.ts";

const WAIT = { timeoutMs: 2_000, pollMs: 2 };
const TEMPLATE = { containers: [{ image: "app:1" }] };

async function withStore(test: (store: RunServiceStore, emulator: CloudRunEmulator) => Promise<void>): Promise<void> {
  const accessTokens = new AccessTokens();
  const token = new Secret(accessTokens.issue("me@example.com"));
  await using emulator = await startCloudRun({ accessTokens });
  const credentials = { origin: "test", accessToken: () => Promise.resolve(token) };
  const place = { project: "demo-project", region: "us-central1", service: "web" };
  await test(runServiceStore(place, { credentials, endpoint: `${emulator.origin}/`, fetch: emulator.fetch }), emulator);
}

Deno.test("run services: made, changed; what is not known here is kept", () =>
  withStore(async (store) => {
    assert.equal(await store.read(), undefined);
    await store.create({ template: { ...TEMPLATE, sessionAffinity: true }, description: "kept" }, WAIT);
    const made = (await store.read())!;
    assert.deepEqual([made["description"], made.template!["sessionAffinity"], made.reconciling], [
      "kept",
      true,
      undefined,
    ]);
    await store.update({ labels: { a: "b" }, etag: made.etag }, ["labels"], WAIT);
    const changed = (await store.read())!;
    assert.deepEqual([changed.labels, changed["description"]], [{ a: "b" }, "kept"]);
    await store.update({}, ["labels"], WAIT);
    assert.equal((await store.read())!.labels, undefined, "named and not given");
    const name = changed.latestReadyRevision!.split("/").at(-1)!;
    assert.equal((await store.revision(name))!.containers![0]!.image, "app:1");
    assert.equal(await store.revision("web-gone"), undefined);
  }));

Deno.test("run services: a stale etag changes nothing; a trial changes nothing", () =>
  withStore(async (store) => {
    await store.create({ template: TEMPLATE }, WAIT);
    const { etag } = (await store.read())!;
    await store.update({ labels: { a: "b" }, etag }, ["labels"], WAIT);
    await assert.rejects(store.update({ labels: {}, etag }, ["labels"], WAIT), { status: 409, name: "HttpError" });
    await store.validate({ labels: {} }, ["labels"]);
    assert.deepEqual((await store.read())!.labels, { a: "b" });
    const bad = { template: { ...TEMPLATE, replicas: 3 } };
    await assert.rejects(store.validate(bad, ["template"]), /Unknown name "replicas" at 'service.template'/);
    await assert.rejects(store.create({ template: TEMPLATE }, WAIT), { status: 409 });
  }));

Deno.test("run services: an operation that fails is told in Cloud Run's own words; one that takes too long is said", () =>
  withStore(async (store, { state }) => {
    state.fails = () => "The user-provided container failed to start and listen on the port.";
    await assert.rejects(store.create({ template: TEMPLATE }, WAIT), (error) => {
      assert(error instanceof RunOperationError);
      assert.equal(error.code, 9);
      assert.match(error.got, /^Revision 'web-00001-\w+' is not ready and cannot serve traffic\. The user-provided/);
      assert.match(error.fix!, /gcloud logging read 'resource\.labels\.revision_name="web-\d{5}-\w{3}"' --project /);
      return true;
    });
    state.pollsUntilDone = 1_000;
    const late = store.update({ labels: {} }, ["labels"], { timeoutMs: 30, pollMs: 5 });
    await assert.rejects(late, /not done after 0 s\n {2}do: run this again with a longer --timeout/);
    const ending = new AbortController();
    const waiting = store.update({ labels: {} }, ["labels"], { ...WAIT, signal: ending.signal });
    setTimeout(() => ending.abort(new Error("enough")), 20);
    await assert.rejects(waiting, /enough/);
  }));

Deno.test("run services: what is missing is named", () =>
  withStore(async (store, { deniedPermissions, faults }) => {
    deniedPermissions.add("iam.serviceAccounts.actAs");
    const account = "web@demo-project.iam.gserviceaccount.com";
    await assert.rejects(
      store.create({ template: { ...TEMPLATE, serviceAccount: account } }, WAIT),
      (error: Error) =>
        new RegExp(`add-iam-policy-binding ${account} .*roles/iam.serviceAccountUser`).test(error.message),
    );
    deniedPermissions.clear();
    deniedPermissions.add("run.operations.get");
    await assert.rejects(store.create({ template: TEMPLATE }, WAIT), /run\.operations\.get/);
    deniedPermissions.clear();
    faults.add({ match: /^GET .*services\/web$/, status: 403, body: googleErrorBody(403, "SERVICE_DISABLED") });
    await assert.rejects(store.read(), /do: gcloud services enable run\.googleapis\.com --project demo-project/);
  }));
