/** Which cluster a start takes: the rules of the choice, clusters that do not answer, and the ways into one. */
import assert from "node:assert/strict";
import { gkeCluster } from "../emulators/gke.ts";
import type { FaultRule } from "../emulators/faults.ts";
import { startWorld, type World } from "../emulators/world.ts";
import { addFirst, anotherServer, find } from "./discovery_scene.ts";
import { freePort } from "../free_port.ts";
import { runKrun, withDirectory } from "./krun_process.ts";

const DEMO = "GKE cluster istio-demo in us-central1";
const FIRST = "GKE cluster istio-a in us-central1";

/** Clusters that all lead to the one API server: which is taken is told by its name. */
const replaceClusters = (
  world: World,
  ...given: [name: string, location: string, fields?: Record<string, unknown>][]
) =>
  world.gke.state.clusters = given.map(([name, location, fields]) =>
    gkeCluster({
      name,
      location,
      endpoint: world.kubernetes.host,
      caPem: world.kubernetes.authority.certificatePem,
      projectId: "demo-project",
      ...(fields ? { fields } : {}),
    })
  );
const LABEL = { resourceLabels: { mesh_id: "x" } };
const ALL = "GET /v1/projects/demo-project/locations/-/clusters";
const get = (location: string, name: string) => `GET /v1/projects/demo-project/locations/${location}/clusters/${name}`;

interface Choice {
  name: string;
  arrange: (world: World) => unknown;
  environment?: Record<string, string>;
  taken: string;
  /** What GKE is asked. */
  asked: string;
}

const CHOICES: Choice[] = [
  {
    name: "the workload's region before any label or name",
    arrange: (world) => replaceClusters(world, ["istio-z", "us-east1", LABEL], ["plain", "us-central1"]),
    taken: "plain in us-central1",
    asked: ALL,
  },
  {
    name: "a zone of the region counts as the region",
    arrange: (world) => replaceClusters(world, ["istio-z", "us-east1", LABEL], ["plain", "us-central1-c"]),
    taken: "plain in us-central1-c",
    asked: ALL,
  },
  {
    name: "REGION said by the environment is the workload's",
    arrange: (world) => replaceClusters(world, ["a", "us-central1", LABEL], ["b", "us-east1"]),
    environment: { REGION: "us-east1" },
    taken: "b in us-east1",
    asked: ALL,
  },
  {
    name: "of one region the one labelled mesh_id",
    arrange: (world) => replaceClusters(world, ["istio-a", "us-central1"], ["b", "us-central1", LABEL]),
    taken: "b in us-central1",
    asked: ALL,
  },
  {
    name: "without labels the one whose name begins with istio",
    arrange: (world) => replaceClusters(world, ["a", "us-central1"], ["istio-b", "us-central1"]),
    taken: "istio-b in us-central1",
    asked: ALL,
  },
  {
    name: "else the first by name",
    arrange: (world) => replaceClusters(world, ["b", "us-central1"], ["a", "us-central1"]),
    taken: "a in us-central1",
    asked: ALL,
  },
  {
    name: "only one that is RUNNING",
    arrange: (world) => replaceClusters(world, ["a", "us-central1", { status: "ERROR" }], ["b", "us-central1"]),
    taken: "b in us-central1",
    asked: ALL,
  },
  {
    name: "CLUSTER_NAME, wherever it is",
    arrange: (world) => replaceClusters(world, ["istio-a", "us-central1", LABEL], ["b", "us-east1"]),
    environment: { CLUSTER_NAME: "b" },
    taken: "b in us-east1",
    asked: ALL,
  },
  {
    name: "CLUSTER_LOCATION alone",
    arrange: (world) => replaceClusters(world, ["istio-a", "us-central1", LABEL], ["b", "us-east1"]),
    environment: { CLUSTER_LOCATION: "us-east1" },
    taken: "b in us-east1",
    asked: ALL,
  },
  {
    name: "both: GKE is asked for that one, and it may be under an upgrade",
    arrange: (world) => replaceClusters(world, ["a", "us-east1", { status: "RECONCILING" }]),
    environment: { CLUSTER_NAME: "a", CLUSTER_LOCATION: "us-east1" },
    taken: "a in us-east1",
    asked: get("us-east1", "a"),
  },
  {
    name: "the project's labels name it",
    arrange: (world) => {
      replaceClusters(world, ["istio-a", "us-central1", LABEL], ["b", "us-east1"], ["b", "us-west1"]);
      const labels = { "mesh-cluster-name": "b", "mesh-cluster-location": "us-west1" };
      world.resourceManager.state.projects[0]!.labels = labels;
    },
    taken: "b in us-west1",
    asked: ALL,
  },
  {
    name: "MESH=gke://PROJECT",
    arrange: () => {},
    environment: { MESH: "gke://demo-project" },
    taken: "istio-demo in us-central1",
    asked: ALL,
  },
  {
    name: "MESH=gke://PROJECT/LOCATION/CLUSTER",
    arrange: (world) => replaceClusters(world, ["istio-a", "us-central1", LABEL], ["b", "us-east1"]),
    environment: { MESH: "gke://demo-project/us-east1/b" },
    taken: "b in us-east1",
    asked: get("us-east1", "b"),
  },
  {
    name: "MESH as the GKE API's own URL",
    arrange: (world) => replaceClusters(world, ["istio-a", "us-central1", LABEL], ["b", "us-east1"]),
    environment: {
      MESH: "https://container.googleapis.com/v1/projects/demo-project/locations/us-east1/clusters/b",
    },
    taken: "b in us-east1",
    asked: get("us-east1", "b"),
  },
  {
    name: "MESH goes before KUBECONFIG and single variables of the same source",
    arrange: (world) => replaceClusters(world, ["a", "us-east1"]),
    environment: { MESH: "gke://demo-project/us-east1/a", KUBECONFIG: "/no/such", CLUSTER_NAME: "x", PROJECT_ID: "y" },
    taken: "a in us-east1",
    asked: get("us-east1", "a"),
  },
];

for (const { name, arrange, environment, taken, asked } of CHOICES) {
  Deno.test(`cluster: ${name}`, async () => {
    await using world = await startWorld();
    await arrange(world);
    const { cluster, settings } = await find(world, environment);
    assert.equal(cluster, `GKE cluster ${taken}`);
    assert.equal(`${settings.clusterName} in ${settings.clusterLocation}`, taken);
    assert.deepEqual(world.gke.faults.requests.map(({ method, path }) => `${method} ${path}`), [asked]);
  });
}

Deno.test("cluster: another project's by MESH: the number of the instance's own project does not go with it", async () => {
  await using world = await startWorld({ projectId: "mesh-project" });
  Object.assign(world.metadata.state, { projectId: "app-project", projectNumber: "999" });
  const { cluster, settings } = await find(world, { MESH: "gke://mesh-project" });
  assert.equal(cluster, DEMO);
  assert.deepEqual([settings.projectId, settings.from["PROJECT_ID"]], [
    "mesh-project",
    { source: "environment", origin: "MESH" },
  ]);
  assert.equal(settings.projectNumber, "1234567890", "mesh-env's");
});

interface Fault {
  name: string;
  /** What the first cluster's API server does; without a rule `endpoint` leads elsewhere. */
  rule?: FaultRule;
  endpoint?: string;
  /** Why it is passed over; or the error that ends the search. */
  over?: RegExp;
  ends?: RegExp;
  fields?: Record<string, unknown>;
}

const STATUS = (status: number): FaultRule => ({ match: /mesh-env/, status, body: `{"message": "says ${status}"}` });
const FAULTS: Fault[] = [
  { name: "silent", rule: { match: /./, action: "hang" }, over: /no answer within its budget of 400 ms/ },
  { name: "refuses connections", endpoint: `127.0.0.1:${freePort()}`, over: /no answer within its budget of 400 ms/ },
  { name: "503 for good", rule: STATUS(503), over: /no answer within its budget of 400 ms|503 says 503/ },
  { name: "without mesh-env", rule: STATUS(404), over: /it has no mesh-env/ },
  { name: "without an address", endpoint: "", over: /it offers no address that can be used/ },
  { name: "401 ends the search", rule: STATUS(401), ends: /istio-a.*\n {2}got: 401 says 401\n {2}do: the credentials/ },
  { name: "403 ends the search", rule: STATUS(403), ends: /istio-a.*\n {2}got: 403 says 403\n {2}do: kubectl -n demo/ },
];

for (const { name, rule, endpoint, over, ends, fields } of FAULTS) {
  Deno.test(`the first of two clusters: ${name}`, async () => {
    await using world = await startWorld();
    await using first = await anotherServer(world);
    if (rule) first.faults.add(rule);
    addFirst(world, endpoint ?? first.host, fields);
    const found = find(world, { KRUN_CLUSTER_BUDGET_MS: "400" });
    if (ends) {
      await assert.rejects(found, ends);
      return assert.deepEqual(world.kubernetes.faults.requests, []);
    }
    const { cluster, log, settings } = await found;
    assert.equal(cluster, DEMO);
    assert.equal(settings.internalGate, "192.0.2.10");
    const said = log.find((line) => line.startsWith(`${FIRST} is passed over: `));
    assert.match(said ?? log.join("\n"), over!);
  });
}

Deno.test("the first of two clusters: one that accepts and never speaks TLS", async () => {
  await using world = await startWorld();
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  addFirst(world, `127.0.0.1:${silent.addr.port}`);
  const startedAt = performance.now();
  const { cluster } = await find(world, { KRUN_CLUSTER_BUDGET_MS: "300" });
  assert.equal(cluster, DEMO);
  const tookMs = performance.now() - startedAt;
  assert(tookMs >= 300 && tookMs < 1_500, `${tookMs} ms`);
});

Deno.test("a cluster that answers is taken, whatever the next would be", async () => {
  await using world = await startWorld();
  await using first = await anotherServer(world);
  addFirst(world, first.host);
  const { cluster, settings } = await find(world);
  assert.deepEqual([cluster, settings.internalGate], [FIRST, "192.0.2.99"]);
  assert.deepEqual(world.kubernetes.faults.requests, []);
});

Deno.test("ways: the private address where the public one does not answer, in the budget of one cluster", async () => {
  await using world = await startWorld();
  const [cluster] = world.gke.state.clusters;
  cluster!.endpoint = `127.0.0.1:${freePort()}`;
  cluster!.privateClusterConfig = { privateEndpoint: world.kubernetes.host };
  const { way, log } = await find(world, { KRUN_CLUSTER_BUDGET_MS: "1000" });
  assert.equal(way, `${DEMO} by its private address ${world.kubernetes.host}`);
  assert(log.some((line) => line.includes("public address") && line.includes("trying the next way")), log.join("\n"));
});

Deno.test("ways: only the private address where the public one is off", async () => {
  await using world = await startWorld();
  world.gke.state.clusters[0]!.privateClusterConfig = { enablePrivateEndpoint: true };
  const { way } = await find(world);
  assert.equal(way, `${DEMO} by its private address ${world.kubernetes.host}`);
});

Deno.test("ways: the DNS endpoint, whose certificate is the system's business and not the cluster CA's", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld();
    const { authority, port } = world.kubernetes;
    await Deno.writeTextFile(`${directory}/roots.pem`, authority.certificatePem);
    const cluster = world.gke.state.clusters[0]!;
    cluster.endpoint = "";
    cluster.masterAuth.clusterCaCertificate = btoa(world.publicAuthority.certificatePem);
    const dnsEndpointConfig = { endpoint: `localhost:${port}`, allowExternalTraffic: true };
    cluster.controlPlaneEndpointsConfig = { dnsEndpointConfig };
    const environment = { ...world.environment, DENO_CERT: `${directory}/roots.pem`, MESH_BASE_DIR: directory };
    const app = ["--proxy=none", "--tunnel=none", "sh", "-c", "exit 7"];
    const end = await runKrun(app, { environment });
    assert.equal(end.code, 7, end.stderr);
    dnsEndpointConfig.allowExternalTraffic = false;
    const { stderr, code } = await runKrun(app, { environment });
    assert.equal(code, 1);
    assert.match(stderr, /istio-demo in us-central1: it offers no address that can be used/);
  }));

Deno.test("MESH=file:// of a kubeconfig", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld();
    const token = world.accessTokens.issue(world.metadata.state.email);
    const kubeconfig = JSON.parse(world.kubernetes.kubeconfig({ token }, "mine"));
    await Deno.writeTextFile(`${directory}/config`, JSON.stringify(kubeconfig));
    const { way, settings } = await find(world, { MESH: `file://${directory}/config`, KUBECONFIG: "/no/such" });
    assert.equal(way, `kubeconfig ${directory}/config, context mine`);
    assert.equal(settings.internalGate, "192.0.2.10");
    assert.deepEqual(world.gke.faults.requests, []);
  }));

Deno.test("MESH=file:// of a mesh-env: goes before the cluster's own, which says the rest", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld();
    await Deno.writeTextFile(
      `${directory}/map.yaml`,
      "kind: ConfigMap\ndata:\n  IMCON_ADDR: 192.0.2.77\n  PORT_grpc: '9000'\n",
    );
    const { cluster, settings } = await find(world, { MESH: `file://${directory}/map.yaml` });
    assert.equal(cluster, DEMO);
    assert.deepEqual([settings.internalGate, settings.namedPorts["grpc"], settings.externalGate], [
      "192.0.2.77",
      9_000,
      "198.51.100.10",
    ]);
    assert.deepEqual(settings.from["IMCON_ADDR"], {
      source: "mesh-env of the namespace",
      origin: `${directory}/map.yaml`,
    });
  }));

Deno.test("cluster: GKE zones that did not answer are said, the others are used", async () => {
  await using world = await startWorld();
  world.gke.state.missingZones.push("us-east1-b");
  const { cluster, log } = await find(world);
  assert.equal(cluster, DEMO);
  assert(log.includes("GKE has no answer from us-east1-b"), log.join("\n"));
});
