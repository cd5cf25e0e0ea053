import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { AUTO_REGISTRATION_LABEL, MANAGED_BY, MANAGED_BY_US, registrationObjects } from "../../lib/registration/mod.ts";
import { runService, type RunServiceResource } from "../emulators/cloud_run.ts";
import type { Container } from "./container.ts";
import { isAnswered } from "./gate_answer.ts";
import { PROJECT } from "./google.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import { eventually, type Ran, run } from "./process.ts";
import { say } from "./say.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const REGIONS = ["us-central1", "europe-west1"] as const;
const GATE_ACCOUNT = `hgate@${PROJECT.projectId}.iam.gserviceaccount.com`;
const PROGRAM = fileURLToPath(new URL("../../dist/cloud-run-mesh", import.meta.url));

/** What the checks read of `--output json`. */
interface Outcome {
  steps: { subject: string; action: string; state: string; detail?: string }[];
}

/** The path through the gate, on objects that `register-service` made alone; `unregister-service` takes them back. */
export async function registered(world: E2eWorld, krun: Container, step: Step): Promise<void> {
  const { cluster, registration, google, gateAddress } = world;
  const { state, policies } = google.cloudRun;
  const services = new Map(REGIONS.map((region) => [region, serviceIn(region, registration.url)]));
  const byHand = registrationObjects(registration);
  const regionsBefore = [...state.regions];
  const servicesBefore = [...state.services];
  state.regions = [...REGIONS];
  state.services = [...state.services, ...services.values()];
  await cluster.remove(...byHand);
  try {
    await step(
      "register-service: its objects alone lead a pod to the app; the same again changes nothing",
      async () => {
        const first = await register(world, "--region", REGIONS[0]);
        assert.match(first.steps.at(-1)!.detail!, /replicas have them$/);
        assert(policies.of(services.get(REGIONS[0])!.name).has("roles/run.invoker", `serviceAccount:${GATE_ACCOUNT}`));
        await world.reached(krun, "/", /ready/);
        const again = await register(world, "--region", REGIONS[0]);
        assert.deepEqual(changes(again), []);
      },
    );

    await step("register-service: hgate follows what it registered, and keeps what a person said", async () => {
      services.get(REGIONS[0])!.template!.maxInstanceRequestConcurrency = 7;
      const optIn = (word: string) =>
        cluster.kubectl("label", "--overwrite", "namespace", NAMESPACE, `${AUTO_REGISTRATION_LABEL}${word}`);
      await optIn("=enabled");
      try {
        await eventually("the service's new concurrency", async () => await streams(world) === 7 || undefined);
        await register(world, "--region", REGIONS[0], "--max-streams", "5");
        await new Promise((resolve) => setTimeout(resolve, 2_000)); // hgate has heard of it
        assert.equal(await streams(world), 5);
        await world.reached(krun, "/", /ready/);
      } finally {
        await optIn("-");
      }
    });

    await step("register-service: two regions share the requests for one name", async () => {
      await register(world, "--region", `${REGIONS[0]}=3`, "--region", `${REGIONS[1]}=1`);
      await world.reached(krun, "/", /ready/);
      for (const region of REGIONS) { // and by its own name
        await eventually(`the app by the name of ${region}`, async () => {
          const url = `http://${SERVICE}-${region}:8080/`;
          const fortio = ["/usr/local/bin/fortio", "curl", url];
          const { stdout } = await cluster.exec(NAMESPACE, "deployment/echo", "echo", ...fortio);
          return stdout.includes("ready") || undefined;
        });
      }
      if (!await hasGatewayApi(world)) return say("HTTPRoutes are not tried: the cluster has no Gateway API");
      await register(world, "--region", `${REGIONS[0]},${REGIONS[1]}`, "--http-route");
      assert.deepEqual(await made(world, "virtualservices.networking.istio.io"), []);
      await world.reached(krun, "/", /ready/);
    });

    await step("unregister-service: nothing of it is left, and the gate knows the name no more", async () => {
      const name = `outbound_.8080_._.${SERVICE}.${NAMESPACE}.svc.cluster.local`;
      assert.equal(await isAnswered(gateAddress, name), true);
      const { code, stdout, stderr } = await command(world, "unregister-service", "--force");
      assert.equal(code, 0, stdout + stderr);
      const kinds =
        "services,virtualservices.networking.istio.io,destinationrules,workloadentries,peerauthentications," +
        "sidecars.networking.istio.io";
      assert.deepEqual(await made(world, kinds), []);
      for (const region of REGIONS) {
        assert.deepEqual(policies.of(services.get(region)!.name).bindings, [], region);
      }
      await eventually("a closed port", async () => await isAnswered(gateAddress, name) ? undefined : true);
    });
  } finally {
    state.regions = regionsBefore;
    state.services = servicesBefore;
    await command(world, "unregister-service", "--force");
    await cluster.apply(...byHand);
  }
  await world.reached(krun, "/", /ready/);
}

/** The front end knows one host: both regions answer there. */
function serviceIn(region: string, uri: string): RunServiceResource {
  const { projectId: project, projectNumber } = PROJECT;
  return runService({ project, projectNumber, region, service: SERVICE, fields: { uri, urls: [uri] } });
}

/** Runs it, and it must succeed. */
async function register(world: E2eWorld, ...flags: string[]): Promise<Outcome> {
  const ports = ["--port", "http=8080", "--port", "grpc=8079"];
  const ran = await command(world, "register-service", ...ports, "--gate-account", GATE_ACCOUNT, ...flags);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  return JSON.parse(ran.stdout);
}

/** The executable, as an administrator whom the metadata server vouches for. */
async function command({ settings, google }: E2eWorld, name: string, ...flags: string[]): Promise<Ran> {
  const common = ["--namespace", NAMESPACE, "--yes", "--output", "json"];
  return await run([PROGRAM, name, SERVICE, ...common, ...flags], {
    env: {
      KUBECONFIG: settings.kubeconfig,
      PROJECT_ID: PROJECT.projectId,
      GCE_METADATA_HOST: google.metadata.host,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN: `${google.cloudRun.origin}/`,
      CLOUDSDK_CONFIG: "/nonexistent", // nobody's gcloud
      GOOGLE_APPLICATION_CREDENTIALS: "",
    },
  });
}

function changes({ steps }: Outcome): string[] {
  return steps.filter(({ action }) => action !== "none" && action !== "check").map(({ subject }) => subject);
}

/** `maxConcurrentStreams` of the service's DestinationRule. */
async function streams({ cluster }: E2eWorld): Promise<number | undefined> {
  const { spec } = await cluster.get<{
    spec: { trafficPolicy: { connectionPool?: { http?: { maxConcurrentStreams?: number } } } };
  }>("-n", NAMESPACE, "destinationrule.networking.istio.io", SERVICE);
  return spec.trafficPolicy.connectionPool?.http?.maxConcurrentStreams;
}

/** Objects of these kinds that carry our label. */
async function made({ cluster }: E2eWorld, kinds: string): Promise<string[]> {
  const label = `${MANAGED_BY}=${MANAGED_BY_US}`;
  return (await cluster.kubectl("-n", NAMESPACE, "get", kinds, "-l", label, "-o", "name")).split("\n").filter(Boolean);
}

async function hasGatewayApi({ cluster }: E2eWorld): Promise<boolean> {
  return (await cluster.tryKubectl("get", "crd", "httproutes.gateway.networking.k8s.io")).code === 0;
}
