/** `krun config`: every setting, its value and who said it, as a start would settle it; and nothing else happens. */
import assert from "node:assert/strict";
import { type Row, SOURCES, TABLE } from "../../lib/settings/mod.ts";
import { startWorld, type World } from "../emulators/world.ts";
import { messageOf, runKrun, withDirectory } from "./krun_process.ts";

/** Anyone the cluster knows may do anything: what is refused is not this file's business. */
const EVERYONE = { subject: "group:system:authenticated" };

async function rowsOf(args: readonly string[], environment: Record<string, string>): Promise<Row[]> {
  const { code, stdout, stderr } = await runKrun(["config", ...args, "--output", "json"], { environment });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** `value ← source` of a setting. */
function said(rows: readonly Row[], setting: string): string {
  const row = rows.find((row) => row.setting === setting);
  return `${row?.value} ← ${row?.source}`;
}

interface Scene {
  world: World;
  directory: string;
  flags: string[];
  environment: Record<string, string>;
}

/** Each step takes the strongest source of the step before away. */
const STEPS: [take: (scene: Scene) => unknown, namespace: string, cluster: string][] = [
  [() => {}, "of-flag ← flag", "of-flag ← flag"],
  [({ flags }) => flags.splice(0), "of-environment ← environment", "of-environment ← environment"],
  [
    ({ environment }) => {
      delete environment["WORKLOAD_NAMESPACE"];
      delete environment["CLUSTER_NAME"];
    },
    "of-kubeconfig ← kubeconfig (DIRECTORY/config, context gke_demo-project_us-central1_of-kubeconfig)",
    "of-kubeconfig ← kubeconfig (DIRECTORY/config, context gke_demo-project_us-central1_of-kubeconfig)",
  ],
  [
    ({ environment }) => delete environment["KUBECONFIG"],
    "of-account ← metadata server (account k8s-of-account@demo-project.iam.gserviceaccount.com)",
    "istio-demo ← project label (demo-project)",
  ],
  [
    ({ world }) => world.metadata.state.email = "robot@demo-project.iam.gserviceaccount.com",
    "of-label ← project label (demo-project)",
    "istio-demo ← project label (demo-project)",
  ],
  [
    ({ world }) => delete world.resourceManager.state.projects[0]!.labels,
    "of-own-map ← mesh-env of the namespace (default/mesh-env)",
    "istio-demo ← GKE API (projects/demo-project/locations/us-central1/clusters/istio-demo)",
  ],
  [
    ({ environment }) => environment["KUBECONFIG"] = environment["PLAIN"]!,
    "of-own-map ← mesh-env of the namespace (default/mesh-env)",
    "of-own-map ← mesh-env of the namespace (default/mesh-env)",
  ],
  [
    ({ world }) => delete world.kubernetes.state.configMaps["default"],
    "of-root-map ← mesh-env of istio-system (istio-system/mesh-env)",
    "of-root-map ← mesh-env of istio-system (istio-system/mesh-env)",
  ],
  [
    ({ world }) => delete world.kubernetes.state.configMaps["istio-system"],
    "default ← default",
    "null ← default",
  ],
];

/** A kubeconfig that the emulated API server takes, its context of this name and namespace. */
async function writeKubeconfig({ world, directory }: Scene, file: string, context: string, namespace?: string) {
  const config = JSON.parse(world.kubernetes.kubeconfig({ token: world.accessTokens.issue("me") }, context));
  if (namespace) config.contexts[0].context.namespace = namespace;
  await Deno.writeTextFile(`${directory}/${file}`, JSON.stringify(config));
  return `${directory}/${file}`;
}

Deno.test("krun config: each source in turn, as the stronger ones are taken away", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld({
      email: "k8s-of-account@demo-project.iam.gserviceaccount.com",
      projectLabels: { "mesh-namespace": "of-label", "mesh-cluster-name": "istio-demo" },
      meshEnv: { WORKLOAD_NAMESPACE: "of-root-map", CLUSTER_NAME: "of-root-map" },
    });
    const { state } = world.kubernetes;
    state.permissions.push(EVERYONE);
    state.configMaps["default"] = { "mesh-env": { WORKLOAD_NAMESPACE: "of-own-map", CLUSTER_NAME: "of-own-map" } };
    const scene: Scene = {
      world,
      directory,
      flags: ["--namespace=of-flag", "--cluster", "of-flag"],
      environment: {
        ...world.environment,
        WORKLOAD_NAMESPACE: "of-environment",
        CLUSTER_NAME: "of-environment",
      },
    };
    scene.environment["KUBECONFIG"] = await writeKubeconfig(
      scene,
      "config",
      "gke_demo-project_us-central1_of-kubeconfig",
      "of-kubeconfig",
    );
    scene.environment["PLAIN"] = await writeKubeconfig(scene, "plain", "plain");
    for (const [take, namespace, cluster] of STEPS) {
      await take(scene);
      const rows = await rowsOf(scene.flags, scene.environment);
      const found = [said(rows, "WORKLOAD_NAMESPACE"), said(rows, "CLUSTER_NAME")];
      assert.deepEqual(found.map((text) => text.replace(directory, "DIRECTORY")), [namespace, cluster]);
    }
  }));

Deno.test("krun config: table and JSON say the same, every setting once, and the log is empty", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld();
    const environment = { ...world.environment, K_SERVICE: "fortio", PORT: "15009", PORT_grpc: "9000" };
    const rows = await rowsOf([], environment);
    const { stdout, stderr, code } = await runKrun(["config"], { environment, cwd: directory });
    assert.deepEqual([code, stderr], [0, ""]);
    const [head, ...lines] = stdout.trimEnd().split("\n");
    assert.match(head!, /^SETTING +VALUE +SOURCE$/);
    const at = [0, head!.indexOf("VALUE"), head!.indexOf("SOURCE")] as const;
    assert.equal(lines.length, rows.length);
    for (const [index, { setting, value, source }] of rows.entries()) {
      const line = lines[index]!;
      assert.equal(line.slice(0, at[1]).trim(), setting);
      assert.equal(line.slice(at[1]).split(/ {2,}/)[0], value === null ? "-" : String(value), setting);
      assert(line.endsWith(`  ${source}`), line);
      assert(SOURCES.some((word) => source === word || source.startsWith(`${word} (`)), source);
    }
    const names = rows.map(({ setting }) => setting);
    assert.equal(new Set(names).size, names.length);
    for (const { variable } of Object.values(TABLE)) assert(names.includes(variable), variable);
    assert.equal(said(rows, "WORKLOAD_NAME"), "fortio ← environment (K_SERVICE)");
    assert.equal(said(rows, "KRUN_TUNNEL_PORT"), "15009 ← environment (PORT)");
    assert.equal(said(rows, "PORT_grpc"), "9000 ← environment");
    assert.equal(said(rows, "PROJECT_NUMBER"), `1234567890 ← metadata server (${world.metadata.host})`);
    assert.equal(said(rows, "REGION"), `us-central1 ← metadata server (${world.metadata.host})`);
    assert.equal(
      said(rows, "TRUST_DOMAIN"),
      "demo-project.svc.id.goog ← mesh-env of istio-system (istio-system/mesh-env)",
    );
    assert.equal(said(rows, "CAROOT_ISTIOD"), "[1 certificate] ← mesh-env of istio-system (istio-system/mesh-env)");
    assert.equal(said(rows, "PORT_http"), "8080 ← default");
  }));

/** Variables that may hold credentials: shown masked, where they are krun's or the agent's; the app's own not at all. */
const MASKED = [
  "PROXY_CONFIG",
  "XDS_HEADER_X_GOOG_API_KEY",
  "CA_HEADER_AUTHORIZATION",
  "ISTIO_META_TOKEN",
  "XDS_SECRET",
];

Deno.test("krun config: secrets are masked, whoever says them; the app's own variables are nobody's business", async () => {
  await using world = await startWorld({ meshEnv: { SHARED_PASSWORD: "planted-in-the-map", PLAIN: "is-shown" } });
  const planted = Object.fromEntries(MASKED.map((name) => [name, JSON.stringify({ planted: `value of ${name}` })]));
  const environment = { ...world.environment, ...planted, DATABASE_PASSWORD: "planted-1", MY_SETTING: "planted-2" };
  for (const args of [["config"], ["config", "--output=json"]]) {
    const { code, stdout, stderr } = await runKrun(args, { environment });
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /planted|DATABASE_PASSWORD|MY_SETTING|value of/);
    for (const name of [...MASKED, "SHARED_PASSWORD"]) {
      assert.match(stdout, new RegExp(`${name}\\W[\\s\\S]*?\\[secret\\]`));
    }
    assert.match(stdout, /is-shown/);
  }
});

Deno.test("krun config: changes nothing, on disk or in the cluster", () =>
  withDirectory(async (directory) => {
    await using world = await startWorld();
    await Deno.mkdir(`${directory}/base`);
    const environment = { ...world.environment, MESH_BASE_DIR: `${directory}/base`, HOME: directory };
    const { code } = await runKrun(["config"], { environment, cwd: directory });
    assert.equal(code, 0);
    const left = [];
    for await (const { name } of Deno.readDir(directory)) left.push(name);
    for await (const { name } of Deno.readDir(`${directory}/base`)) left.push(name);
    assert.deepEqual(left, ["base"]);
    const { metadata, gke, resourceManager, kubernetes } = world;
    const requests = [metadata, gke, resourceManager, kubernetes].flatMap(({ faults }) => faults.requests);
    assert.deepEqual(requests.filter(({ method }) => method !== "GET"), []);
    assert(kubernetes.faults.requests.length > 0);
  }));

Deno.test("krun config: without a mesh nobody is asked for a cluster", async () => {
  await using world = await startWorld();
  const rows = await rowsOf([], { ...world.environment, XDS_ADDR: "-" });
  assert.equal(said(rows, "XDS_ADDR"), "- ← environment");
  assert.deepEqual(world.gke.faults.requests, []);
  assert.deepEqual(world.kubernetes.faults.requests, []);
});

Deno.test("krun config: an output that is neither text nor json is wrong use", async () => {
  const end = await runKrun(["config", "--output=yaml"], { environment: { XDS_ADDR: "-" } });
  assert.deepEqual([end.code, end.stdout], [2, ""]);
  assert.equal(messageOf(end), 'krun: cannot read --output\n  got: "yaml"\n  do: give text or json');
});

Deno.test("krun config: a cluster that cannot be had ends it with 1 and the reason", async () => {
  await using world = await startWorld();
  world.gke.state.clusters.length = 0;
  const end = await runKrun(["config"], { environment: world.environment });
  assert.deepEqual([end.code, end.stdout], [1, ""]);
  assert.match(
    messageOf(end),
    /^krun: cannot choose a RUNNING GKE cluster in project demo-project\n {2}got: no cluster at all\n/,
  );
});
