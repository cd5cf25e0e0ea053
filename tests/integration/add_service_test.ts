/** `add-service` and `remove-service` of a service that runs: krun from source and a small app, asked through the front end. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { command as add } from "../../cmd/add_service.ts";
import { command as deploy } from "../../cmd/deploy.ts";
import { command as remove } from "../../cmd/remove_service.ts";
import type { Fetch } from "../../lib/base/http.ts";
import { Problem } from "../../lib/base/errors.ts";
import { createAuthority } from "../emulators/certificates.ts";
import type { RevisionRunner } from "../emulators/cloud_run.ts";
import { type CloudRunService, startFrontEnd } from "../emulators/front_end.ts";
import { idTokenClaims } from "../emulators/json_web_token.ts";
import { startWorld } from "../emulators/world.ts";
import { type AdminWorld, GATE_ACCOUNT, PROJECT, runCommand, startAdminWorld } from "./admin_world.ts";
import { frontEndFetch } from "./front_end_fetch.ts";
import { BUILT_ON_GOLDEN, type ProcessRunner, processRunner } from "./run_processes.ts";
import { GOLDEN, WEB, webNow, webService } from "./run_scene.ts";

const HOST = "web-abcdefghij-uc.a.run.app";
const OPERATOR = `operator@${PROJECT}.iam.gserviceaccount.com`;

/** A pod of the mesh is the cluster's to run, and this cluster runs none: what asks from there has a test of its own. */
const ARGS = ["web", "--namespace", "shop", "--krun-image", GOLDEN];

interface Scene {
  world: AdminWorld;
  runner: ProcessRunner;
  fetch: Fetch;
  /** What the service says to the gate. */
  ask(path?: string): Promise<{ status: number; text: string }>;
}

/** Nothing runs: who is refused does not come as far. */
const NOTHING: RevisionRunner = {
  start: () => Promise.resolve({ address: "127.0.0.1:9", stop: () => Promise.resolve() }),
};

/** The service runs, its app says what it was told; a service account runs the commands. */
async function inScene(
  test: (scene: Scene) => Promise<void>,
  { runs = true }: { runs?: boolean } = {},
): Promise<void> {
  const services: Record<string, CloudRunService> = {};
  const directory = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  await Deno.writeTextFile(`${directory}/app.js`, SAYS);
  const mesh = stack.use(await startWorld({ namespace: "shop" }));
  const runner = processRunner({ ...mesh.environment, MESH_BASE_DIR: directory }, `${directory}/app.js`);
  const world = stack.use(await startAdminWorld({ runner: runs ? runner : NOTHING, frontEnd: services }));
  const authority = createAuthority("front end CA");
  const frontEnd = stack.use(await startFrontEnd({ authority, jwks: world.signer.jwks, services }));
  const { fetch } = stack.use(frontEndFetch(frontEnd.port, authority.certificatePem, world.fetch));
  await signInAsAccount(world, directory);
  const ask: Scene["ask"] = async (path = "/") => {
    const token = world.signer.sign(idTokenClaims(`https://${HOST}`, GATE_ACCOUNT, 60));
    const answer = await fetch(`https://${HOST}${path}`, { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, text: await answer.text() };
  };
  await webService(world);
  await test({ world, runner, fetch, ask });
}

/** Only accounts have ID tokens for a service. */
async function signInAsAccount(world: AdminWorld, directory: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  world.tokenEndpoint.state.keys[OPERATOR] = publicKey;
  const path = `${directory}/key.json`;
  const key = {
    type: "service_account",
    client_email: OPERATOR,
    private_key: privateKey,
    token_uri: world.tokenEndpoint.url,
  };
  await Deno.writeTextFile(path, JSON.stringify({ ...key, private_key_id: "1", project_id: PROJECT }));
  world.environment["GOOGLE_APPLICATION_CREDENTIALS"] = path;
}

const SAYS = `Deno.serve({ hostname: "0.0.0.0", port: Number(Deno.env.get("PORT")), onListen() {} }, () =>
  Response.json({ greeting: Deno.env.get("GREETING"), proxy: Deno.env.get("HTTP_PROXY") ?? "none" }));`;

const detailOf = (outcome: Awaited<ReturnType<typeof runCommand>>, subject: RegExp) =>
  outcome.steps.find((step) => subject.test(step.subject))?.detail;

Deno.test("add-service: a service as it is answers through krun, with its tunnel; remove-service gives it back", () =>
  inScene(async ({ world, runner, fetch, ask }) => {
    const before = structuredClone(webNow(world));
    assert.deepEqual(JSON.parse((await ask()).text), { greeting: "hello", proxy: "none" });

    const outcome = await runCommand(world, add, ARGS, { fetch, timeoutMs: 20_000 });
    assert.deepEqual(
      outcome.steps.filter(({ state }) => state !== "done").map(({ subject, detail }) => [subject, detail]),
      [],
    );
    assert.equal(detailOf(outcome, /requests to its URL with tag mesh/), "the mesh is there, the app answers 200");
    assert.match(detailOf(outcome, /request from a pod/)!, /^not looked at: no pod of the gate/);
    const [krun, app] = runner.started.slice(-2);
    assert.deepEqual([krun!.container, app!.container], ["krun", "web-1"], "the app starts after krun");
    assert.equal(app!.env["DB"], "a-secret");
    assert.deepEqual(JSON.parse((await ask()).text), { greeting: "hello", proxy: "http://127.0.0.1:15007" });
    assert.equal((await ask("/_hbone/15003")).status, 405, "a GET is no tunnel, and krun says so");
    assert.equal(webNow(world).trafficStatuses![0]!.percent, 100);

    const back = await runCommand(world, remove, ["web", "--namespace", "shop"], { fetch, timeoutMs: 20_000 });
    assert.deepEqual(back.steps.filter(({ state }) => state === "failed"), []);
    assert.deepEqual(JSON.parse((await ask()).text), { greeting: "hello", proxy: "none" });
    const after = webNow(world);
    for (const field of ["template", "traffic", "annotations", "labels"]) {
      assert.deepEqual(after[field], before[field], field);
    }
    assert.equal((await ask("/_hbone/15003")).status, 200, "the app's own answer");
  }));

Deno.test("add-service: an image that is not krun's is found out before anybody is led to it; the right one completes it", () =>
  inScene(async ({ world, fetch, ask }) => {
    const broken = ARGS.with(-1, "us-docker.pkg.dev/p/r/app-not-krun:1");
    // The app's program in krun's place: it gets ready, and answers 200 to all.
    const outcome = await runCommand(world, add, broken, { fetch, timeoutMs: 700 });
    const failed = outcome.steps.find(({ state }) => state === "failed")!;
    assert.match(failed.subject, /requests to its URL with tag mesh/);
    assert.match(
      failed.detail!,
      /ask https:\/\/mesh---web-abcdefghij-uc\.a\.run\.app\/_hbone\/15003\n {2}got: 200 .*: not krun's answer/,
    );
    assert(outcome.steps.some(({ state }) => state === "not done"));
    assert.deepEqual(JSON.parse((await ask()).text), { greeting: "hello", proxy: "none" });
    const [first] = webNow(world).traffic!;
    assert.deepEqual([first!.percent, first!.type], [100, "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"]);

    const right = await runCommand(world, add, ARGS, { fetch, timeoutMs: 20_000 });
    assert.deepEqual(right.steps.filter(({ state }) => state === "failed"), []);
    assert.deepEqual(JSON.parse((await ask()).text), { greeting: "hello", proxy: "http://127.0.0.1:15007" });
  }));

Deno.test("add-service: a krun that cannot join the mesh is told in Cloud Run's words and costs nobody anything; again is another try", () =>
  inScene(async ({ world, runner, fetch, ask }) => {
    runner.environment["KUBECONFIG"] = "/nonexistent/kubeconfig";
    const outcome = await runCommand(world, add, ARGS, { fetch, timeoutMs: 20_000 });
    const failed = outcome.steps.find(({ state }) => state === "failed")!;
    assert.match(failed.subject, /a revision with krun, without requests/);
    assert.match(
      failed.detail!,
      /got: Revision 'web-00002-\w+' is not ready and cannot serve traffic\. The user-provided container/,
    );
    assert.match(failed.detail!, /do: look at what its containers say/);
    assert.deepEqual(JSON.parse((await ask()).text), { greeting: "hello", proxy: "none" });
    delete runner.environment["KUBECONFIG"];
    const right = await runCommand(world, add, ARGS, { fetch, timeoutMs: 20_000 });
    assert.deepEqual(right.steps.filter(({ state }) => state === "failed"), []);
    assert.deepEqual(JSON.parse((await ask()).text), { greeting: "hello", proxy: "http://127.0.0.1:15007" });
    await runCommand(world, remove, ["web", "--namespace", "shop"], { fetch, timeoutMs: 20_000 });
    assert.deepEqual(JSON.parse((await ask()).text), { greeting: "hello", proxy: "none" });
  }));

Deno.test("deploy: an image with krun in it, over a service that runs, answers through krun", () =>
  inScene(async ({ world, fetch, ask }) => {
    const args = ["web", "--image", BUILT_ON_GOLDEN, "--port", "http=3000", "--env", "GREETING=from the mesh"];
    const outcome = await runCommand(world, deploy, args, { fetch, timeoutMs: 20_000 });
    assert.deepEqual(outcome.steps.filter(({ state }) => state !== "done"), []);
    assert.equal(JSON.parse((await ask()).text).greeting, "from the mesh");
    assert.equal((await ask("/_hbone/15003")).status, 405, "krun's own answer");
    assert.match(outcome.next.join(), /register-service web --namespace shop/);
  }));

Deno.test("add-service: who has no ID token, or may not call the service, hears of it", () =>
  inScene(async ({ world, fetch }) => {
    const personal = { ...world.environment };
    delete personal["GOOGLE_APPLICATION_CREDENTIALS"];
    const requests = world.cloudRun.faults.seen(/^PATCH /).length;
    await assert.rejects(
      runCommand(world, add, ARGS, { fetch, environment: personal }),
      (error: Error) =>
        error instanceof Problem &&
        /stand for no service account.*\n.*impersonate-.*; or --no-verify/.test(error.message),
    );
    assert.equal(world.cloudRun.faults.seen(/^PATCH (?!.*validateOnly)/).length, requests, "nothing was done");
    world.cloudRun.policies.of(WEB).edit((bindings) =>
      bindings.push({ role: "roles/run.invoker", members: ["user:x@y.z"] })
    );
    const outcome = await runCommand(world, add, ARGS, { fetch, timeoutMs: 20_000 });
    const failed = outcome.steps.find(({ state }) => state === "failed")!;
    assert.match(
      failed.detail!,
      /got: 403 .*\n {2}do: gcloud run services add-iam-policy-binding web .*roles\/run\.invoker; or --no-verify/,
    );
  }, { runs: false }));
