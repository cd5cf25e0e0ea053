import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Report } from "../../lib/admin/doctor/mod.ts";
import { registrationObjects } from "../../lib/registration/mod.ts";
import { createAuthority } from "../emulators/certificates.ts";
import { runService } from "../emulators/cloud_run.ts";
import { startIam } from "../emulators/iam.ts";
import { EmulatedPolicy } from "../emulators/iam_policy.ts";
import { startResourceManager } from "../emulators/resource_manager.ts";
import { startServiceUsage } from "../emulators/service_usage.ts";
import { PROJECT } from "./google.ts";
import { HGATE_NAMESPACE, untilHgate } from "./hgate.ts";
import { untilNodesFollow } from "./node_follows.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import { type Ran, run } from "./process.ts";
import { relay } from "./relay.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const REGION = "us-central1";
const ACCOUNT = `k8s-${NAMESPACE}@${PROJECT.projectId}.iam.gserviceaccount.com`;
const GATE_ACCOUNT = `hgate@${PROJECT.projectId}.iam.gserviceaccount.com`;
const PROGRAM = fileURLToPath(new URL("../../dist/cloud-run-mesh", import.meta.url));
const RBAC = "rbac.authorization.k8s.io";

/** Lets the service's account do what krun-runner may: the Role is the one of the run's own credentials. */
const BINDING = {
  apiVersion: `${RBAC}/v1`,
  kind: "RoleBinding",
  metadata: { name: "krun-doctor", namespace: NAMESPACE },
  roleRef: { apiGroup: RBAC, kind: "Role", name: "krun" },
  subjects: [{ apiGroup: RBAC, kind: "User", name: ACCOUNT }],
};

type Patch = [kind: string, namespace: string, name: string, to: object, back: object];

/** `doctor` against the real cluster: from this machine and in krun's container; what is right is green, what is planted is named. */
export async function doctorLooks(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  const { cluster, google, registration } = world;
  await using undo = new AsyncDisposableStack();
  const { environment, endpoints } = await restOfGoogle(world, undo);
  const { state, policies } = google.cloudRun;
  const service = serviceOf(registration.url);
  state.services.push(service);
  undo.defer(() => void state.services.splice(state.services.indexOf(service), 1));
  policies.of(service.name).edit((bindings) =>
    void bindings.push({ role: "roles/run.invoker", members: [`serviceAccount:${GATE_ACCOUNT}`] })
  );
  undo.defer(() => policies.forget(service.name));
  await cluster.apply(BINDING);
  undo.defer(() => cluster.remove(BINDING));
  undo.defer(() => cluster.apply(...registrationObjects(registration)));
  await cluster.apply(...registrationObjects({ ...registration, requestTimeoutMs: 300_000, concurrency: 80 }));

  const look = async (): Promise<Report> => {
    const flags = ["--service", SERVICE, "--namespace", NAMESPACE, "--region", REGION, "--gate-account", GATE_ACCOUNT];
    return reportOf(await run([PROGRAM, "doctor", ...flags, "--output", "json"], { env: environment }));
  };
  const finds = (name: string, id: string, patch: Patch) =>
    step(`doctor finds: ${name}`, async () => {
      const [kind, namespace, object, to, back] = patch;
      const apply = (change: object) =>
        cluster.kubectl("-n", namespace, "patch", kind, object, "--type=merge", "-p", JSON.stringify(change));
      await apply(to);
      try {
        assertFails(await look(), [id]);
      } finally {
        await apply(back);
      }
    });

  await step("doctor: a service that is registered is green", async () => {
    const report = await look();
    assertFails(report, []);
    for (
      const id of ["gate.status", "istiod.kinds", "mesh-env.root-current", "registration.route", "rights.workload"]
    ) {
      assert.equal(report.checks.find((check) => check.id === id)?.state, "pass", id);
    }
  });

  await finds("a root that is not the mesh's", "mesh-env.root-current", [
    ...["configmap", NAMESPACE, "mesh-env"] as const,
    { data: { CAROOT_ISTIOD: createAuthority("another mesh").certificatePem } },
    { data: { CAROOT_ISTIOD: await ownRoot(world) } },
  ]);
  await finds("an endpoint that is not the gate", "registration.entry", [
    ...["workloadentries.networking.istio.io", NAMESPACE, `${SERVICE}-sni`] as const,
    { spec: { address: "192.0.2.9" } },
    { spec: { address: registration.gateAddress } },
  ]);
  const ports = await portsOf(world);
  await finds("the gate's Service without its tunnel port", "gate.internal-address", [
    ...["service", HGATE_NAMESPACE, "internal-hgate"] as const,
    { spec: { ports: ports.filter(({ port }) => port !== 15_442) } },
    { spec: { ports } },
  ]);
  await untilNodesFollow(cluster); // the port that came back
  await step("doctor finds: no binding of the service's account", async () => {
    await cluster.remove(BINDING);
    try {
      assertFails(await look(), ["namespace.binding"]);
    } finally {
      await cluster.apply(BINDING);
    }
  });
  await step("doctor finds: a gate that is scaled to 0", async () => {
    const scale = (replicas: number) =>
      cluster.kubectl("-n", HGATE_NAMESPACE, "scale", "deployment", "hgate", `--replicas=${replicas}`);
    await scale(0);
    try {
      assertFails(await look(), ["gate.deployment"]);
    } finally {
      await scale(2);
      await untilHgate(cluster);
    }
  });

  await step("doctor: in krun's container, by the few rights of its account", async () => {
    await using krun = world.startKrun(runtime, {
      env: { KRUN_CAPTURE: "whitebox", GCE_METADATA_HOST: google.metadataHost, ...endpoints },
      command: ["/usr/local/bin/fortio", "server"],
    });
    await krun.said("in the mesh after", 60_000);
    const report = reportOf(await krun.exec(["/usr/local/bin/krun", "doctor", "--output", "json"]));
    assertFails(report, []);
    assert.equal(report.place, "krun");
    for (const id of ["ready", "proxy", "token", "certificates", "app"]) {
      assert.equal(report.checks.find((check) => check.id === `container.${id}`)?.state, "pass", id);
    }
  });
}

/** The APIs that the gate does not ask, and the variables that lead to all of Google: from this process, and from a container. */
async function restOfGoogle({ google, settings }: E2eWorld, undo: AsyncDisposableStack) {
  const { accessTokens } = google.metadata;
  const { projectId, projectNumber } = PROJECT;
  const enabled = new Set(["cloudresourcemanager", "container", "iam", "run"].map((name) => `${name}.googleapis.com`));
  const usage = undo.use(await startServiceUsage({ accessTokens, projectId, projectNumber, enabled }));
  const iam = undo.use(await startIam({ accessTokens, projectId }));
  iam.add("hgate");
  const member = `serviceAccount:${projectId}.svc.id.goog[${HGATE_NAMESPACE}/hgate]`;
  const bindings = [{ role: "roles/iam.workloadIdentityUser", members: [member] }];
  iam.state.policies.set(GATE_ACCOUNT, new EmulatedPolicy({ bindings }));
  const projects = [{ name: `projects/${projectNumber}`, projectId, state: "ACTIVE" as const, labels: {} }];
  const manager = undo.use(await startResourceManager({ accessTokens, projects }));
  const variable = (api: string) => `CLOUDSDK_API_ENDPOINT_OVERRIDES_${api}`;
  const outside = (port: number) => `http://${settings.ownAddress}:${undo.use(relay(port)).port}/`;
  return {
    environment: {
      KUBECONFIG: settings.kubeconfig,
      PROJECT_ID: projectId,
      GCE_METADATA_HOST: google.metadata.host,
      [variable("RUN")]: `${google.cloudRun.origin}/`,
      [variable("IAM")]: `${iam.origin}/`,
      [variable("SERVICEUSAGE")]: `${usage.origin}/`,
      [variable("CLOUDRESOURCEMANAGER")]: `${manager.origin}/`,
      CLOUDSDK_CONFIG: "/nonexistent", // nobody's gcloud
      GOOGLE_APPLICATION_CREDENTIALS: "",
    },
    endpoints: {
      [variable("SERVICEUSAGE")]: outside(usage.port),
      [variable("CLOUDRESOURCEMANAGER")]: outside(manager.port),
    },
  };
}

/** As `deploy` would have made it, and answered by the front end of this world. */
function serviceOf(uri: string) {
  const { projectId: project, projectNumber } = PROJECT;
  const service = runService({
    project,
    projectNumber,
    region: REGION,
    service: SERVICE,
    fields: { uri, urls: [uri] },
  });
  Object.assign(service.template!, {
    serviceAccount: ACCOUNT,
    executionEnvironment: "EXECUTION_ENVIRONMENT_GEN2",
    vpcAccess: { networkInterfaces: [{ network: "default", subnetwork: "default" }] },
  });
  return service;
}

function reportOf({ stdout, stderr }: Ran): Report {
  assert.match(stdout, /^\{/, stderr);
  return JSON.parse(stdout);
}

/** These checks fail, each with a fix, and no others do. */
function assertFails({ checks }: Report, expected: readonly string[]): void {
  const failed = checks.filter(({ state }) => state === "fail");
  const said = failed.map(({ id, seen, fix }) => `${id}: ${seen} (do: ${fix})`).join("\n");
  assert.deepEqual(failed.map(({ id }) => id), expected, said || "nothing fails");
  assert(failed.every(({ fix }) => fix), said);
}

async function ownRoot({ cluster }: E2eWorld): Promise<string> {
  const { data } = await cluster.get<{ data: Record<string, string> }>("-n", NAMESPACE, "configmap", "mesh-env");
  return data["CAROOT_ISTIOD"]!;
}

async function portsOf({ cluster }: E2eWorld): Promise<{ port: number }[]> {
  const { spec } = await cluster.get<{ spec: { ports: { port: number }[] } }>(
    ...["-n", HGATE_NAMESPACE, "service", "internal-hgate"],
  );
  return spec.ports;
}
