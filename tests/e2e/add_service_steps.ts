import assert from "node:assert/strict";
import { flagsOf, parseAdminArguments } from "../../cmd/admin_arguments.ts";
import type { AdminCommand } from "../../cmd/admin_command.ts";
import { command as add } from "../../cmd/add_service.ts";
import { command as deploy } from "../../cmd/deploy.ts";
import { command as register } from "../../cmd/register_service.ts";
import { command as remove } from "../../cmd/remove_service.ts";
import { command as unregister } from "../../cmd/unregister_service.ts";
import { adminContext, type Outcome, runPlan } from "../../lib/admin/mod.ts";
import type { Fetch } from "../../lib/base/http.ts";
import { registrationObjects } from "../../lib/registration/mod.ts";
import { createAuthority } from "../emulators/certificates.ts";
import { type CloudRunEmulator, startCloudRun } from "../emulators/cloud_run.ts";
import { type CloudRunService, startFrontEnd } from "../emulators/front_end.ts";
import { frontEndFetch } from "../integration/front_end_fetch.ts";
import { containerRunner } from "./cloud_run_runner.ts";
import { PROJECT } from "./google.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import type { Step } from "./step.ts";
import { type E2eWorld, FORTIO, GOLDEN } from "./world.ts";

const REGION = "us-central1";
const NAME = `projects/${PROJECT.projectId}/locations/${REGION}/services/${SERVICE}`;
const ACCOUNT = `k8s-${NAMESPACE}@${PROJECT.projectId}.iam.gserviceaccount.com`;
const GATE_ACCOUNT = `hgate@${PROJECT.projectId}.iam.gserviceaccount.com`;
const FORTIO_SERVER = ["/usr/local/bin/fortio", "server"];
/** The app says who asked: a pod of the mesh, by its certificate. */
const BY_ECHO = /X-Forwarded-Client-Cert:.*URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/echo/i;

interface Scene {
  world: E2eWorld;
  cloudRun: CloudRunEmulator;
  fetch: Fetch;
}

/** `deploy` and `add-service` end with a request that is answered, through the front end and from a pod through the gate. */
export async function deployedAndAdded(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  const { metadata } = world.google;
  const byHand = registrationObjects(world.registration);
  const services: Record<string, CloudRunService> = {};
  await using running = new AsyncDisposableStack();
  const runner = running.use(containerRunner(world, runtime));
  const cloudRun = running.use(
    await startCloudRun({
      accessTokens: metadata.accessTokens,
      ...PROJECT,
      runner,
      frontEnd: services,
      uriOf: (service) => `https://${service}.a.run.app`, // the one host that the gate's front end knows
    }),
  );
  const authority = createAuthority("e2e front end CA");
  const frontEnd = running.use(await startFrontEnd({ authority, jwks: metadata.signer.jwks, services }));
  const { fetch } = running.use(
    frontEndFetch(frontEnd.port, authority.certificatePem, (url, init) => globalThis.fetch(url, init)),
  );
  const scene: Scene = { world, cloudRun, fetch };
  await world.cluster.remove(...byHand);
  try {
    await step("deploy: an image with krun in it, and register-service: a pod's request comes back", async () => {
      await run(scene, deploy, ["--image", FORTIO, "--namespace", NAMESPACE, "--service-account", ACCOUNT]);
      await run(scene, register, ["--namespace", NAMESPACE, "--gate-account", GATE_ACCOUNT]);
      assert.equal((await plainly(scene)).status, 200);
      await world.reached(runner.first(), "/debug", BY_ECHO);
      await run(scene, unregister, ["--namespace", NAMESPACE, "--force"]);
    });

    await step("add-service: fortio as it is, behind krun in a container of its own", async () => {
      const container = { name: "fortio", image: FORTIO, command: FORTIO_SERVER, ports: [{ containerPort: 8080 }] };
      await cloudRun.edit(NAME, {
        template: { serviceAccount: ACCOUNT, vpcAccess: { connector: "c" }, containers: [container] },
      });
      assert.equal((await plainly(scene)).status, 200, "before");
      const flags = ["--namespace", NAMESPACE, "--krun-image", GOLDEN, "--gate-account", GATE_ACCOUNT];
      const outcome = await run(scene, add, flags);
      const detailOf = (subject: RegExp) => outcome.steps.find((step) => subject.test(step.subject))?.detail ?? "";
      assert.match(detailOf(/requests to its URL with tag mesh/), /^the mesh is there, the app answers 200$/);
      assert.match(detailOf(/request from a pod/), /^it answers \d+ in \d+ ms$/);
      assert.equal((await plainly(scene)).status, 200, "after");
      await world.reached(runner.first(), "/debug", BY_ECHO);
      const again = await run(scene, add, flags);
      assert.deepEqual(again.steps.filter(({ action }) => action !== "none" && action !== "check"), []);
    });

    await step("remove-service: fortio answers by itself, and the mesh knows it no more", async () => {
      await run(scene, remove, ["--namespace", NAMESPACE, "--force"]);
      assert.equal((await plainly(scene)).status, 200);
      const { code } = await world.cluster.tryKubectl("-n", NAMESPACE, "get", "service", SERVICE);
      assert.notEqual(code, 0, "its Service is gone");
    });
  } finally {
    await world.cluster.apply(...byHand);
  }
}

/** As a person whom the metadata server vouches for, agreed to; it must succeed. */
async function run(
  { world, cloudRun, fetch }: Scene,
  command: AdminCommand,
  flags: readonly string[],
): Promise<Outcome> {
  const args = parseAdminArguments({ ...command, flags: flagsOf(command) }, [SERVICE, ...flags]);
  const environment = {
    KUBECONFIG: world.settings.kubeconfig,
    PROJECT_ID: PROJECT.projectId,
    REGION,
    GCE_METADATA_HOST: world.google.metadata.host,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN: `${cloudRun.origin}/`,
    CLOUDSDK_CONFIG: "/nonexistent", // nobody's gcloud
  };
  using context = adminContext({}, { environment, fetch });
  const { signal } = new AbortController();
  const plan = await command.plan(args, context, { signal, timeoutMs: 120_000, progress: () => {} });
  const outcome = await runPlan(plan, {
    command: command.name,
    isDryRun: false,
    signal,
    witness: {
      planned: () => {},
      confirm: () => Promise.resolve(true),
      begin: () => ({ progress: () => {}, end: () => {} }),
    },
  });
  const failed = outcome.steps.filter(({ state }) => state !== "done" && state !== "unchanged");
  assert.deepEqual(failed, [], command.name);
  return outcome;
}

/** A request by nobody's mesh, as the gate's account. */
async function plainly({ world, fetch }: Scene): Promise<Response> {
  const url = `https://${SERVICE}.a.run.app`;
  const { metadata } = world.google;
  const asked = await globalThis.fetch(
    `${metadata.origin}/computeMetadata/v1/instance/service-accounts/default/identity?audience=${url}&format=full`,
    { headers: { "metadata-flavor": "Google" } },
  );
  const answer = await fetch(`${url}/debug`, { headers: { authorization: `Bearer ${await asked.text()}` } });
  await answer.body?.cancel();
  return answer;
}
