import assert from "node:assert/strict";
import { ControllerWorld } from "./controller_world.ts";
import { until } from "./kube_cases.ts";

const SNI = "outbound_.8080_._.web.prod.svc.cluster.local";
const ALL_OF_WEB = [
  "DestinationRule prod/web",
  "PeerAuthentication prod/web",
  "Service prod/web",
  "Sidecar prod/web",
  "WorkloadEntry prod/web-sni",
];

const entry = (world: ControllerWorld, data: Record<string, string>, namespace = "prod") =>
  world.put("configmaps", { name: "cloud-run-services", namespace }, { data });
const names = (world: ControllerWorld) => world.told.at(-1)?.tunnels.flatMap(({ serverNames }) => serverNames) ?? [];
const pool = (world: ControllerWorld) =>
  (world.get("destinationrules", "prod", "web")?.["spec"] as { trafficPolicy: { connectionPool: unknown } })
    .trafficPolicy
    .connectionPool;
const events = (world: ControllerWorld) =>
  world.server.objects.list("events").map((event) =>
    `${(event["involvedObject"] as { kind: string }).kind}: ${event["message"]}`
  );

Deno.test("controller: an entry in a config map is enough, and its end takes all with it", async () => {
  await using world = await ControllerWorld.start();
  const controller = world.controller();
  await controller.ready;
  assert.deepEqual(names(world), []);
  entry(world, { web: "kind: CloudRunService\nports: [{port: 8080}]\n" });
  await until(() => names(world).includes(SNI));
  await until(() => world.made().length === 5);
  assert.deepEqual(world.made(), ALL_OF_WEB);
  assert.equal(world.told.at(-1)!.tunnels[0]!.url, "https://web-abc-uc.a.run.app");
  assert.deepEqual(
    (world.get("workloadentries", "prod", "web-sni")!["spec"] as { address: string }).address,
    "10.0.0.9",
  );
  assert.equal(
    world.get("sidecars", "prod", "web")!.metadata.annotations!["cloud-run-mesh/owner"],
    "ConfigMap prod/cloud-run-services web",
  );
  entry(world, {});
  await until(() => world.made().length === 0);
  await until(() => names(world).length === 0);
  assert.deepEqual(controller.problems(), []);
});

Deno.test("controller: a labelled Service is enough; it gets its annotations, and stays when the label goes", async () => {
  await using world = await ControllerWorld.start();
  const service = (labels: Record<string, string>) =>
    world.put(
      "services",
      { ...world.get("services", "prod", "web")?.metadata, name: "web", namespace: "prod", labels },
      {
        spec: { ports: [{ name: "http", port: 8080 }], selector: { app: "my-web" } },
      },
    );
  service({ "mesh-cloudrun": "" });
  world.controller();
  await until(() => names(world).includes(SNI));
  await until(() => world.made().length === 4);
  assert.deepEqual(world.made(), ALL_OF_WEB.filter((name) => name !== "Service prod/web"), "the Service is a person's");
  const { annotations } = world.get("services", "prod", "web")!.metadata;
  assert.deepEqual(annotations, {
    "cloud-run-mesh/url": "https://web-abc-uc.a.run.app",
    "cloud-run-mesh/service": "projects/my-project/locations/us-central1/services/web",
  });
  const { labels } = world.get("workloadentries", "prod", "web-sni")!["spec"] as { labels: Record<string, string> };
  assert.equal(labels["app"], "my-web");
  service({});
  await until(() => world.made().length === 0);
  const left = world.get("services", "prod", "web")!;
  assert.equal(left.metadata.annotations, undefined);
  assert.deepEqual((left["spec"] as { selector: unknown }).selector, { app: "my-web" });
});

Deno.test("controller: timeout, concurrency and URL are followed; what has not changed is not written", async () => {
  await using world = await ControllerWorld.start();
  entry(world, { web: "{}" });
  world.controller();
  await until(() => world.made().length === 5);
  assert.deepEqual(pool(world), { tcp: { maxConnectionDuration: "240s" }, http: { maxConcurrentStreams: 80 } });
  const asked = world.asked;
  await until(() => world.asked > asked + 3); // polls
  const written = () => world.server.faults.seen(/^PATCH .*(services|workloadentries|sidecars)\//).length;
  const before = written();
  const then = world.asked;
  await until(() => world.asked > then + 3);
  assert.equal(written(), before);
  world.cloudRun.set("us-central1/web", {
    urls: ["https://new-uc.a.run.app"],
    timeoutMs: 3_600_000,
    concurrency: 5,
    audiences: [],
  });
  await until(() => world.told.at(-1)!.tunnels[0]?.url === "https://new-uc.a.run.app");
  await until(() => JSON.stringify(pool(world)).includes('"3300s"'));
  // by another hand
  world.server.objects.delete("sidecars", "prod", "web");
  await until(() => world.get("sidecars", "prod", "web") !== undefined);
});

Deno.test("controller: only in namespaces that opted in, and until they opt out", async () => {
  await using world = await ControllerWorld.start();
  entry(world, { web: "{}" });
  entry(world, { web: "{}" }, "closed");
  world.controller();
  await until(() => world.made().length === 5);
  assert.deepEqual(world.made(), ALL_OF_WEB);
  world.put("namespaces", { name: "prod", labels: {} });
  await until(() => world.made().length === 0);
});

Deno.test("controller: what a person made under such a name or label is never removed", async () => {
  await using world = await ControllerWorld.start();
  const labels = { "mesh-cloudrun": "x", "app.kubernetes.io/managed-by": "cloud-run-mesh" };
  world.put("sidecars", { name: "by-command", namespace: "prod", labels }, { spec: {} }); // as register-service makes: no owner
  world.put("sidecars", {
    name: "foreign",
    namespace: "prod",
    labels: { "mesh-cloudrun": "x" },
    annotations: { "cloud-run-mesh/owner": "Service prod/gone" },
  });
  world.put("sidecars", {
    name: "ours",
    namespace: "prod",
    labels,
    annotations: { "cloud-run-mesh/owner": "Service prod/gone" },
  });
  world.controller();
  await until(() => world.get("sidecars", "prod", "ours") === undefined);
  assert(world.get("sidecars", "prod", "by-command"));
  assert(world.get("sidecars", "prod", "foreign"));
});

Deno.test("controller: what cannot be registered says why, once, in an event; the rest is registered", async () => {
  await using world = await ControllerWorld.start();
  entry(world, {
    web: "{}",
    missing: "{}",
    other: "project: other-project",
    broken: "kind: [",
    wrong: "{service: 7}",
    typo: "{servce: web}",
    "UP.per": "{}",
  });
  const controller = world.controller();
  await until(() => world.made().length === 5);
  await until(() => events(world).length === 6 && controller.problems().length === 6);
  assert.deepEqual(controller.problems().map(({ object }) => object).sort(), [
    "ConfigMap prod/cloud-run-services UP.per",
    "ConfigMap prod/cloud-run-services broken",
    "ConfigMap prod/cloud-run-services missing",
    "ConfigMap prod/cloud-run-services other",
    "ConfigMap prod/cloud-run-services typo",
    "ConfigMap prod/cloud-run-services wrong",
  ]);
  assert(events(world).some((text) => text === "ConfigMap: read missing: 404 NOT_FOUND"), events(world).join("\n"));
  assert(events(world).some((text) => text === "ConfigMap: project other-project is not my-project"));
  const asked = world.asked;
  await until(() => world.asked > asked + 4);
  assert.equal(events(world).length, 6);
  // it is registered all the same: what is wrong may be put right at any time
  const web = world.cloudRun.get("us-central1/web")!;
  world.cloudRun.set("us-central1/web", { ...web, port: { isHttp2: false } });
  await until(() => events(world).some((text) => text.includes("gcloud run services update web --project my-project")));
  // an outage of Cloud Run's API costs nothing that is there
  world.cloudRun.delete("us-central1/web");
  await until(() => controller.problems().some(({ object }) => object.endsWith(" web")));
  assert.equal(world.made().length, 5);
  assert(names(world).includes(SNI));
});

Deno.test("controller: a person's field is theirs, and named", async () => {
  await using world = await ControllerWorld.start();
  world.put("destinationrules", { name: "web", namespace: "prod" }, { spec: { host: "mine" } }, "some-person");
  entry(world, { web: "{}" });
  const controller = world.controller();
  await until(() => controller.problems().length > 0);
  assert.match(controller.problems()[0]!.problem, /DestinationRule prod\/web .*\.spec\.host belongs to some-person/);
  assert.equal((world.get("destinationrules", "prod", "web")!["spec"] as { host: string }).host, "mine");
});

Deno.test("controller: mesh-env follows addresses and roots, and leaves a person's values alone", async () => {
  await using world = await ControllerWorld.start();
  world.put("configmaps", { name: "mesh-env", namespace: "istio-system" }, {
    data: { MCON_ADDR: "mine.example", CAROOT_CAS: "PRIVATE", OUTBOUND_IP_RANGES_INCLUDE: "*" },
  }, "some-person");
  world.controller();
  const data = () => world.data("istio-system", "mesh-env");
  await until(() => data()["IMCON_ADDR"] === "10.0.0.9");
  assert.deepEqual(data(), {
    MCON_ADDR: "mine.example",
    CAROOT_CAS: "PRIVATE",
    OUTBOUND_IP_RANGES_INCLUDE: "*",
    PROJECT_ID: "my-project",
    PROJECT_NUMBER: "123",
    CLUSTER_NAME: "c1",
    CLUSTER_LOCATION: "us-central1-a",
    IMCON_ADDR: "10.0.0.9",
    CAROOT_ISTIOD: "ROOT 1",
  });
  world.put("configmaps", { name: "istio-ca-root-cert", namespace: "istio-system" }, {
    data: { "root-cert.pem": "ROOT 1\nROOT 2" },
  });
  await until(() => data()["CAROOT_ISTIOD"] === "ROOT 1\nROOT 2");
  world.address("internal-hgate", "10.0.0.10");
  world.address("hgate", "34.1.2.3");
  await until(() => data()["IMCON_ADDR"] === "10.0.0.10");
  assert.equal(data()["MCON_ADDR"], "mine.example");
  // a person takes one of our keys over
  world.put("configmaps", { name: "mesh-env", namespace: "istio-system" }, {
    data: { ...data(), CLUSTER_NAME: "theirs" },
  }, "some-person");
  world.address("internal-hgate", "10.0.0.11");
  await until(() => data()["IMCON_ADDR"] === "10.0.0.11");
  assert.equal(data()["CLUSTER_NAME"], "theirs");
  // and gives one back
  const { MCON_ADDR: _, ...rest } = data();
  world.put("configmaps", { name: "mesh-env", namespace: "istio-system" }, { data: rest }, "some-person");
  await until(() => data()["MCON_ADDR"] === "34.1.2.3");
  world.server.objects.delete("services", "istio-system", "internal-hgate"); // no reason to forget where the gate was
  world.address("hgate", "34.1.2.4");
  await until(() => data()["MCON_ADDR"] === "34.1.2.4");
  assert.equal(data()["IMCON_ADDR"], "10.0.0.11");
});

Deno.test("controller: every replica has the routes, one writes, and another goes on when it ends", async () => {
  await using world = await ControllerWorld.start();
  const first = world.controller();
  await until(() => first.isLeader());
  const second = world.controller({ identity: "pod-2" });
  await second.ready;
  entry(world, { web: "{}" });
  await until(() => world.made().length === 5);
  assert.equal(second.isLeader(), false);
  await until(() => second.routes().tunnels.length === 1);
  await first[Symbol.asyncDispose]();
  assert.equal(first.isLeader(), false);
  await until(() => second.isLeader());
  entry(world, {});
  await until(() => world.made().length === 0);
  assert.equal(second.leader(), "pod-2");
});

Deno.test("controller: with the API server away the routes stay, and changes come when it is back", async () => {
  await using world = await ControllerWorld.start();
  entry(world, { web: "{}" });
  const controller = world.controller();
  await until(() => names(world).includes(SNI));
  world.server.faults.add({ match: /./, action: "reset" });
  world.server.objects.signal("end");
  await until(() => controller.trouble() !== undefined);
  assert.equal(controller.routes().tunnels.length, 1);
  entry(world, {});
  world.server.faults.clear();
  await until(() => world.made().length === 0, 30_000);
  await until(() => controller.routes().tunnels.length === 0);
  await until(() => controller.trouble() === undefined, 30_000);
});
