/** What a command registered, and hgate: it follows where the namespace opted in, keeps what a person said, removes and revives nothing. */
import assert from "node:assert/strict";
import { Secret } from "../../lib/base/secret.ts";
import { apply, KubeClient, type KubeObject, remove } from "../../lib/kube/mod.ts";
import { registrationObjects, registrationOf, type Wish } from "../../lib/registration/mod.ts";
import { ControllerWorld } from "./controller_world.ts";
import { until } from "./kube_cases.ts";

const WEB: Wish = {
  name: "web",
  namespace: "prod",
  cloudRun: { project: "my-project", region: "us-central1", service: "web" },
  ports: [{ name: "http", port: 8080 }],
  command: { by: "register-service" },
};
const SERVED = { timeoutMs: 300_000, concurrency: 80, audiences: [] };

/** Applies what `register-service` would. */
async function register(world: ControllerWorld, kube: KubeClient, wish: Wish): Promise<KubeObject[]> {
  const facts = { url: "https://web-abc-uc.a.run.app", timeoutMs: 300_000, concurrency: 80, gateAddress: "10.0.0.9" };
  const objects = registrationObjects(registrationOf(wish, facts)!);
  for (const object of objects) await apply(kube, object);
  await until(() => world.told.at(-1)?.tunnels.some(({ service }) => service === `prod/${wish.name}`) ?? false);
  return objects;
}

function client(world: ControllerWorld): KubeClient {
  return new KubeClient({
    origin: "the emulator",
    server: world.server.origin,
    ca: world.server.authority.certificatePem,
    authorization: () => Promise.resolve(new Secret("Bearer gate-token")),
  });
}

const poolOf = (world: ControllerWorld, name = "web", namespace = "prod") =>
  (world.get("destinationrules", namespace, name)?.["spec"] as { trafficPolicy: { connectionPool: unknown } })
    .trafficPolicy.connectionPool;
const polls = async (world: ControllerWorld, count = 4) => {
  const asked = world.asked;
  await until(() => world.asked > asked + count);
};
const writes = (world: ControllerWorld) =>
  world.server.faults.seen(/^(PATCH|DELETE) .*\/(services|networking|security)/).length;

Deno.test("hgate follows what a command registered: URL, timeout and concurrency, and no word more", async () => {
  await using world = await ControllerWorld.start();
  using kube = client(world);
  const controller = world.controller();
  const objects = await register(world, kube, WEB);
  const stored = (object: KubeObject) => world.get(`${object.kind.toLowerCase()}s`, "prod", object.metadata.name);
  const service = stored(objects[0]!)!;
  await polls(world);
  assert.equal(world.get("services", "prod", "web")!.metadata.resourceVersion, service.metadata.resourceVersion);
  assert.deepEqual(controller.problems(), []);
  const before = writes(world);
  await polls(world);
  assert.equal(writes(world), before, "what is as it should be is not written");
  world.cloudRun.set("us-central1/web", {
    urls: ["https://new-uc.a.run.app"],
    ...SERVED,
    timeoutMs: 3_600_000,
    concurrency: 5,
  });
  await until(() => JSON.stringify(poolOf(world)).includes('"3300s"'));
  assert.deepEqual(poolOf(world), { tcp: { maxConnectionDuration: "3300s" }, http: { maxConcurrentStreams: 5 } });
  await until(() => world.told.at(-1)!.tunnels[0]?.url === "https://new-uc.a.run.app");
  const { annotations, labels } = world.get("services", "prod", "web")!.metadata;
  assert.deepEqual(annotations, {
    ...objects[0]!.metadata.annotations,
    "cloud-run-mesh/url": "https://new-uc.a.run.app",
  });
  assert.deepEqual(labels, objects[0]!.metadata.labels);
  assert.equal(world.get("sidecars", "prod", "web")!.metadata.annotations, undefined, "nobody's: none is removed");
  world.server.objects.delete("sidecars", "prod", "web"); // by another hand
  await until(() => world.get("sidecars", "prod", "web") !== undefined);
});

Deno.test("hgate keeps what a person said to the command", async () => {
  await using world = await ControllerWorld.start();
  using kube = client(world);
  world.controller();
  await register(world, kube, {
    ...WEB,
    audience: "https://web-abc-uc.a.run.app/",
    workload: "shop",
    serviceAccount: "runner",
    maxStreams: 7,
    maxConnectionMs: 90_000,
    command: {
      by: "register-service",
      url: "https://web-abc-uc.a.run.app",
      gateAddress: "192.0.2.7",
      invoker: "projects/my-project/locations/us-central1/services/web=serviceAccount:hgate@p.iam",
    },
  });
  const service = world.get("services", "prod", "web")!.metadata;
  world.cloudRun.set("us-central1/web", {
    urls: ["https://new-uc.a.run.app"],
    ...SERVED,
    timeoutMs: 60_000,
    concurrency: 5,
  });
  world.address("internal-hgate", "10.0.0.77");
  await polls(world, 6);
  assert.deepEqual(poolOf(world), { tcp: { maxConnectionDuration: "90s" }, http: { maxConcurrentStreams: 7 } });
  assert.deepEqual(world.get("services", "prod", "web")!.metadata.annotations, service.annotations);
  const spec = world.get("workloadentries", "prod", "web-sni")!["spec"] as Record<string, unknown>;
  assert.deepEqual([spec["address"], spec["serviceAccount"]], ["192.0.2.7", "runner"]);
  const sidecar = world.get("sidecars", "prod", "web")!["spec"] as { workloadSelector: unknown };
  assert.deepEqual(sidecar.workloadSelector, { labels: { app: "shop" } });
});

Deno.test("hgate follows each region by itself, and makes nothing of the workload's for one", async () => {
  await using world = await ControllerWorld.start();
  using kube = client(world);
  world.controller();
  world.cloudRun.set("europe-west1/web", { urls: ["https://web-eu.a.run.app"], ...SERVED, concurrency: 9 });
  await register(world, kube, {
    ...WEB,
    name: "web-europe-west1",
    cloudRun: { ...WEB.cloudRun, region: "europe-west1" },
    command: { by: "register-service", partOf: "web" },
  });
  await until(() => JSON.stringify(poolOf(world, "web-europe-west1")).includes("9"));
  assert.deepEqual(world.made(), [
    "DestinationRule prod/web-europe-west1",
    "Service prod/web-europe-west1",
    "WorkloadEntry prod/web-europe-west1-sni",
  ]);
  const { labels } = world.get("workloadentries", "prod", "web-europe-west1-sni")!.metadata;
  assert.equal(labels!["cloud-run-mesh/part-of"], "web");
});

Deno.test("hgate leaves it alone in a namespace that did not opt in, or opts out", async () => {
  await using world = await ControllerWorld.start();
  using kube = client(world);
  world.controller();
  await register(world, kube, WEB);
  await polls(world);
  world.put("namespaces", { name: "prod", labels: {} });
  const asked = world.asked;
  world.cloudRun.set("us-central1/web", { urls: ["https://new-uc.a.run.app"], ...SERVED, concurrency: 5 });
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert(world.asked <= asked + 1, "nobody asks Cloud Run");
  assert.equal(world.made().length, 5);
  assert.deepEqual(poolOf(world), { tcp: { maxConnectionDuration: "240s" }, http: { maxConcurrentStreams: 80 } });
});

Deno.test("hgate does not revive what unregister-service takes away, Service first", async () => {
  await using world = await ControllerWorld.start();
  using kube = client(world);
  world.controller();
  const objects = await register(world, kube, WEB);
  await polls(world);
  for (const { kind, metadata } of objects) {
    const there = world.get(
      kind === "WorkloadEntry" ? "workloadentries" : `${kind.toLowerCase()}s`,
      "prod",
      metadata.name,
    );
    await remove(kube, there!);
    await new Promise((resolve) => setTimeout(resolve, 20)); // as long as a request takes
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(world.made(), []);
});

Deno.test("hgate that has not heard yet sets nothing back and makes nothing anew", async () => {
  await using world = await ControllerWorld.start();
  using kube = client(world);
  const controller = world.controller();
  await register(world, kube, WEB);
  await polls(world);
  await until(() => controller.isLeader());
  // Its watch of Services is deaf from here on: they are as it saw them last.
  world.server.faults.add({ match: /^GET \/api\/v1\/services\?.*watch=true/, action: "hang" });
  world.server.objects.signal("end");
  await until(() =>
    world.server.faults.requests.some(({ path, outcome }) => /services\?.*watch=true/.test(path) && outcome === "hang")
  );
  await register(world, kube, { ...WEB, maxStreams: 3 });
  world.cloudRun.set("us-central1/web", { urls: ["https://new-uc.a.run.app"], ...SERVED, concurrency: 5 });
  await polls(world, 6);
  assert.deepEqual(poolOf(world), { tcp: { maxConnectionDuration: "240s" }, http: { maxConcurrentStreams: 3 } });
  const said = world.get("services", "prod", "web")!.metadata.annotations!;
  assert.equal(said["cloud-run-mesh/max-streams"], "3");
  assert.equal(
    said["cloud-run-mesh/url"],
    "https://web-abc-uc.a.run.app",
    "not written on a state that it has not seen",
  );
  await remove(kube, world.get("services", "prod", "web")!);
  world.server.objects.delete("sidecars", "prod", "web");
  await polls(world, 6);
  assert.equal(world.get("sidecars", "prod", "web"), undefined);
});

Deno.test("hgate: a person's Service that a command registered keeps our label through every write", async () => {
  await using world = await ControllerWorld.start();
  using kube = client(world);
  world.controller();
  world.put("services", { name: "web", namespace: "prod" }, {
    spec: { ports: [{ name: "http", port: 80 }], selector: { app: "web" } },
  });
  await register(world, kube, {
    ...WEB,
    ports: [{ name: "http", port: 80 }],
    service: { selector: { app: "web" }, isLabelled: true },
  });
  world.cloudRun.set("us-central1/web", { urls: ["https://new-uc.a.run.app"], ...SERVED });
  await until(() => world.told.at(-1)!.tunnels[0]?.url === "https://new-uc.a.run.app");
  await polls(world);
  const { metadata, ...rest } = world.get("services", "prod", "web")!;
  assert.deepEqual(metadata.labels, { "mesh-cloudrun": "web" });
  assert.equal(metadata.annotations!["cloud-run-mesh/registered-by"], "register-service");
  assert.deepEqual(rest["spec"], { ports: [{ name: "http", port: 80 }], selector: { app: "web" } });
});

Deno.test("hgate takes a person's own overrides from a Service that is labelled for it", async () => {
  await using world = await ControllerWorld.start();
  world.put("services", {
    name: "web",
    namespace: "prod",
    labels: { "mesh-cloudrun": "" },
    annotations: { "cloud-run-mesh/max-streams": "3", "cloud-run-mesh/max-connection": "30s" },
  }, { spec: { ports: [{ name: "http", port: 80 }] } });
  const controller = world.controller();
  await until(() => world.made().length === 4);
  assert.deepEqual(poolOf(world), { tcp: { maxConnectionDuration: "30s" }, http: { maxConcurrentStreams: 3 } });
  const { metadata } = world.get("services", "prod", "web")!;
  world.put("services", {
    ...metadata,
    annotations: { ...metadata.annotations, "cloud-run-mesh/max-streams": "many" },
  }, { spec: world.get("services", "prod", "web")!["spec"] });
  // Until the gate has seen what it wrote the Service says no URL.
  await until(() => controller.problems().some(({ problem }) => /max-streams is no whole number/.test(problem)));
  assert.equal(world.made().length, 4, "what there is stays");
});

Deno.test("hgate does not follow a service of another project, and says so", async () => {
  await using world = await ControllerWorld.start();
  using kube = client(world);
  const controller = world.controller();
  await register(world, kube, { ...WEB, cloudRun: { ...WEB.cloudRun, project: "other-project" } });
  await until(() => controller.problems().length === 1);
  assert.equal(controller.problems()[0]!.problem, "project other-project is not my-project: changes are not followed");
  assert.equal(world.made().length, 5);
  assert.equal(controller.routes().tunnels.length, 1);
});
