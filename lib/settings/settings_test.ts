import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../base/errors.ts";
import { redact } from "../base/secret.ts";
import {
  environmentLayers,
  flagLayer,
  gkeLayer,
  inClusterLayer,
  kubeconfigLayer,
  type Layer,
  meshEnvLayer,
  metadataLayers,
  namespaceOfAccount,
  parseMesh,
  projectLabelLayer,
  resolve,
  rowsOf,
  type Setting,
  SOURCES,
  TABLE,
  tableOf,
} from "./mod.ts";

/** Sources from the strongest to the weakest, each saying a namespace of its own. */
const EVERY: Layer[] = [
  flagLayer({ namespace: "of-flag" }),
  ...environmentLayers({ WORKLOAD_NAMESPACE: "of-environment" }),
  kubeconfigLayer({ path: "/k", context: "c", namespace: "of-kubeconfig" }),
  inClusterLayer("of-pod", "/account"),
  ...metadataLayers({ address: "m", account: "k8s-of-account@p.iam.gserviceaccount.com" }, {}),
  projectLabelLayer("p", { "mesh-namespace": "of-label" }),
  { ...gkeLayer({ project: "p", location: "l", name: "c" }), values: { WORKLOAD_NAMESPACE: "of-gke" } },
  meshEnvLayer({ WORKLOAD_NAMESPACE: "of-own-mesh-env" }, "namespace", "ns/mesh-env"),
  meshEnvLayer({ WORKLOAD_NAMESPACE: "of-root-mesh-env" }, "istio-system", "istio-system/mesh-env"),
];
const WINNERS: [namespace: string, source: string][] = [
  ["of-flag", "flag"],
  ["of-environment", "environment"],
  ["of-kubeconfig", "kubeconfig (/k, context c)"],
  ["of-pod", "in-cluster account (/account)"],
  ["of-account", "metadata server (account k8s-of-account@p.iam.gserviceaccount.com)"],
  ["of-label", "project label (p)"],
  ["of-gke", "GKE API (projects/p/locations/l/clusters/c)"],
  ["of-own-mesh-env", "mesh-env of the namespace (ns/mesh-env)"],
  ["of-root-mesh-env", "mesh-env of istio-system (istio-system/mesh-env)"],
  ["default", "default"],
];
for (const [at, [namespace, source]] of WINNERS.entries()) {
  Deno.test(`settings: ${SOURCES[at]} wins over all below it, in whatever order they are given`, () => {
    const layers = EVERY.filter((layer) => SOURCES.indexOf(layer.source) >= at);
    for (const order of [layers, layers.toReversed()]) {
      const settings = resolve(order);
      assert.equal(settings.namespace, namespace);
      assert.equal(rowsOf(settings).find(({ setting }) => setting === "WORKLOAD_NAMESPACE")!.source, source);
    }
  });
}

/** Every variable of the original that is a setting of its own, with a value that is not its default. */
const ORIGINAL: [variable: string, value: string, setting: keyof typeof TABLE, expected: unknown][] = [
  ["WORKLOAD_NAMESPACE", "ns", "namespace", "ns"],
  ["WORKLOAD_NAME", "app", "workload", "app"],
  ["WORKLOAD_SERVICE_ACCOUNT", "sa", "serviceAccount", "sa"],
  ["PROJECT_ID", "p", "projectId", "p"],
  ["PROJECT_NUMBER", "1", "projectNumber", "1"],
  ["CLUSTER_LOCATION", "us-central1", "clusterLocation", "us-central1"],
  ["CLUSTER_NAME", "istio", "clusterName", "istio"],
  ["GOOGLE_APPLICATION_CREDENTIALS", "/k.json", "googleCredentials", "/k.json"],
  ["KUBECONFIG", "/kube", "kubeconfig", "/kube"],
  ["MESH", "gke://p", "mesh", "gke://p"],
  ["MESH_TENANT", "-", "meshTenant", "-"],
  ["XDS_ADDR", "istiod:15012", "xdsAddress", "istiod:15012"],
  ["TRUST_DOMAIN", "cluster.local", "trustDomain", "cluster.local"],
  ["CA_POOL", "pool", "caPool", "pool"],
  ["OSS_ISTIO", "true", "ossIstio", true],
  ["IMCON_ADDR", "10.0.0.1", "internalGate", "10.0.0.1"],
  ["MCON_ADDR", "1.2.3.4", "externalGate", "1.2.3.4"],
  ["PORT_http", "9090", "appPort", 9_090],
  ["startupProbe.http", "http://127.0.0.1/x", "startupProbeHttp", "http://127.0.0.1/x"],
  ["startupProbe.tcp", "127.0.0.1:1", "startupProbeTcp", "127.0.0.1:1"],
  ["ISTIO_META_INTERCEPTION_MODE", "NONE", "interceptionMode", "NONE"],
  ["K8S_UID", "1000", "appUid", 1_000],
  ["PROXY_CONFIG", "{}", "proxyConfig", "{}"],
  ["GRPC_XDS_BOOTSTRAP", "/b.json", "grpcXdsBootstrap", "/b.json"],
  ["ENVOY_LOG_LEVEL", "debug", "envoyLogLevel", "debug"],
  ["XDS_AGENT_DEBUG", "all:debug", "agentLogLevel", "all:debug"],
  ["MESH_DEBUG", "1", "debug", true],
  ["MESH_BASE_DIR", "/base", "baseDir", "/base"],
  ["GATEWAY_NAME", "gw", "gatewayName", "gw"],
];
for (const [variable, value, setting, expected] of ORIGINAL) {
  Deno.test(`settings: ${variable} of the original, in the environment and in mesh-env`, () => {
    assert.equal(resolve(environmentLayers({ [variable]: value }))[setting], expected);
    assert.equal(resolve([meshEnvLayer({ [variable]: value }, "istio-system", "x")])[setting], expected);
  });
}

Deno.test("settings: PORT_<name> and CAROOT_<name> of all sources; what no setting knows is kept for the agent", () => {
  const settings = resolve([
    ...environmentLayers({ PORT_grpc: "9000", PORT_http: "8888", ISTIO_META_X: "y" }),
    meshEnvLayer({ PORT_grpc: "1", PORT_admin: "9001", CAROOT_ISTIOD: "PEM" }, "istio-system", "x"),
  ]);
  assert.deepEqual(settings.namedPorts, { http: 8_888, grpc: 9_000, admin: 9_001 });
  assert.deepEqual(settings.caRoots, { ISTIOD: "PEM" });
  assert.deepEqual(settings.others, { ISTIO_META_X: "y" });
  assert.deepEqual(settings.from["PORT_admin"], { source: "mesh-env of istio-system", origin: "x" });
});

Deno.test("settings: what Cloud Run's own variables imply, below explicit ones", () => {
  const environment = { K_SERVICE: "svc", K_REVISION: "svc-001", PORT: "8081" };
  const facts = { address: "m", instanceId: "0123456789abcdef", region: "us-central1" };
  const settings = resolve([...environmentLayers(environment), ...metadataLayers(facts, environment)]);
  const { workload, tunnelPort, podName, region, from } = settings;
  assert.deepEqual({ workload, tunnelPort, podName, region }, {
    workload: "svc",
    tunnelPort: 8_081,
    podName: "svc-001-01234567",
    region: "us-central1",
  });
  assert.deepEqual(from["WORKLOAD_NAME"], { source: "environment", origin: "K_SERVICE" });
  assert.equal(resolve(environmentLayers({ ...environment, WORKLOAD_NAME: "mine" })).workload, "mine");
  assert.equal(resolve(environmentLayers({ PORT: "8081" })).tunnelPort, 15_009);
});

Deno.test("settings: a task of a job listens on nothing, unless told to", () => {
  const environment = { CLOUD_RUN_JOB: "job", CLOUD_RUN_EXECUTION: "job-x7k2p", CLOUD_RUN_TASK_INDEX: "3" };
  const facts = { address: "m", instanceId: "0123456789abcdef" };
  const of = (more: Record<string, string>) => {
    const all = { ...environment, ...more };
    const { workload, podName, tunnel, startupProbeTcp } = resolve([
      ...environmentLayers(all),
      ...metadataLayers(facts, all),
    ]);
    return { workload, podName, tunnel, startupProbeTcp };
  };
  const task = { workload: "job", podName: "job-x7k2p-3-01234567", tunnel: "none", startupProbeTcp: "-" };
  assert.deepEqual(of({}), task);
  assert.deepEqual(of({ KRUN_TUNNEL: "krun" }), { ...task, tunnel: "krun" });
  assert.deepEqual(of({ "startupProbe.tcp": ":8080" }), { ...task, startupProbeTcp: ":8080" });
  const service = { K_SERVICE: "svc", K_REVISION: "svc-1" };
  assert.deepEqual(of(service), {
    workload: "svc",
    podName: "svc-1-01234567",
    tunnel: "krun",
    startupProbeTcp: undefined,
  });
});

Deno.test("settings: an empty text says nothing", () => {
  const settings = resolve([flagLayer({ namespace: "" }), ...environmentLayers({ WORKLOAD_NAMESPACE: "ns" })]);
  assert.equal(settings.namespace, "ns");
});

Deno.test("settings: frozen to the last part", () => {
  const settings = resolve(environmentLayers({ PORT_a: "1", CAROOT_A: "x", X: "y" }));
  const { namedPorts, caRoots, others, from } = settings;
  for (const part of [settings, namedPorts, caRoots, others, from]) assert(Object.isFrozen(part));
});

const WRONG: [variables: Record<string, string>, message: string][] = [
  [
    { PORT_http: "http" },
    'read setting PORT_http from environment\n  got: "http"\n  do: give a whole number from 1 to 65535',
  ],
  [
    { PORT_grpc: "70000" },
    'read setting PORT_grpc from environment\n  got: "70000"\n  do: give a whole number from 1 to 65535',
  ],
  [{ OSS_ISTIO: "maybe" }, 'read setting OSS_ISTIO from environment\n  got: "maybe"\n  do: give true or false'],
  [
    { KRUN_PROXY: "nginx" },
    'read setting KRUN_PROXY from environment\n  got: "nginx"\n  do: give one of envoy, plain, none',
  ],
  [
    { K_SERVICE: "s", PORT: "x" },
    'read setting KRUN_TUNNEL_PORT from environment (PORT)\n  got: "x"\n  do: give a whole number from 1 to 65535',
  ],
  [
    { K8S_UID: "-1" },
    'read setting K8S_UID from environment\n  got: "-1"\n  do: give a whole number from 0 to 4294967294',
  ],
];
for (const [variables, message] of WRONG) {
  Deno.test(`settings: refused: ${JSON.stringify(variables)}`, () => {
    assert.throws(() => resolve(environmentLayers(variables)), (error: unknown) => {
      assert(error instanceof UsageError);
      assert.equal(error.message, message);
      return true;
    });
  });
}

Deno.test("settings: any environment gives settings or a UsageError", () => {
  const variable = fc.oneof(fc.constantFrom(...Object.values(TABLE).map((setting) => setting.variable)), fc.string());
  fc.assert(fc.property(fc.dictionary(variable, fc.oneof(fc.string(), fc.integer().map(String))), (environment) => {
    try {
      const settings = resolve(environmentLayers(environment));
      tableOf(rowsOf(settings));
    } catch (error) {
      assert(error instanceof UsageError, String(error));
    }
  }));
});

Deno.test("settings: each flag and variable is there once and explained", () => {
  const all = Object.values(TABLE) as Setting<unknown>[];
  const flags = all.map(({ flag }) => flag).filter((flag) => flag !== undefined);
  assert.equal(new Set(flags).size, flags.length);
  assert.equal(new Set(all.map(({ variable }) => variable)).size, all.length);
  for (const { help, variable } of all) assert(help.length > 5, variable);
});

const ADDRESSES: [text: string, address: ReturnType<typeof parseMesh>][] = [
  ["gke://p", { kind: "gke", project: "p", location: undefined, cluster: undefined }],
  ["gke://p/us-central1-c/c1", { kind: "gke", project: "p", location: "us-central1-c", cluster: "c1" }],
  [
    "https://container.googleapis.com/v1/projects/p/locations/l/clusters/c",
    { kind: "gke", project: "p", location: "l", cluster: "c" },
  ],
  [
    "https://container.googleapis.com/v1/projects/p/zones/z/clusters/c/",
    { kind: "gke", project: "p", location: "z", cluster: "c" },
  ],
  ["file:///etc/mesh.yaml", { kind: "file", path: "/etc/mesh.yaml" }],
];
for (const [text, address] of ADDRESSES) {
  Deno.test(`MESH=${text}`, () => assert.deepEqual(parseMesh(text), address));
}

Deno.test("MESH: any other text is a UsageError that shows the forms", () => {
  for (const text of ["gke://", "gke://p/l", "td:projects=1", "https://example.com/v1/projects/p", "file://x", "p"]) {
    assert.throws(() => parseMesh(text), /read setting MESH\n {2}got: ".*\n {2}do: give gke:\/\/PROJECT, /);
  }
  assert.throws(() => parseMesh("td:projects=1"), /Traffic Director is not served by this version/);
  fc.assert(fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.string().map((text) => `gke://${text}`)), (text) => {
    try {
      const mesh = parseMesh(text);
      assert(mesh.kind === "file" ? mesh.path.startsWith("/") : mesh.project.length > 0);
    } catch (error) {
      assert(error instanceof UsageError);
    }
  }));
});

const ACCOUNTS: [email: string | undefined, namespace: string | undefined][] = [
  ["k8s-fortio@p.iam.gserviceaccount.com", "fortio"],
  ["k8s-a-b@p.iam.gserviceaccount.com", "a-b"],
  ["k8s-@p.iam.gserviceaccount.com", undefined],
  ["k8s-A@p", undefined],
  ["123-compute@developer.gserviceaccount.com", undefined],
  [undefined, undefined],
];
for (const [email, namespace] of ACCOUNTS) {
  Deno.test(`namespace of ${email}`, () => assert.equal(namespaceOfAccount(email), namespace));
}

Deno.test("a context named by gcloud tells the cluster; others do not", () => {
  const of = (context: string) => resolve([kubeconfigLayer({ path: "/k", context })]);
  const { projectId, clusterLocation, clusterName } = of("gke_p-1_us-central1_my_cluster");
  assert.deepEqual({ projectId, clusterLocation, clusterName }, {
    projectId: "p-1",
    clusterLocation: "us-central1",
    clusterName: "my_cluster",
  });
  assert.equal(of("kind-kind").projectId, undefined);
});

Deno.test("config: secrets are masked, the app's own environment is not shown", () => {
  const settings = resolve([
    ...environmentLayers({
      XDS_HEADER_AUTHORIZATION: "planted-header-1",
      CA_HEADER_X: "planted-header-2",
      ISTIO_META_API_KEY: "planted-key-3",
      PROXY_CONFIG: '{"proxyMetadata": {"XDS_HEADER_A": "planted-config-4"}}',
      APP_SETTING: "mine",
      ISTIO_META_X: "shown",
    }),
    meshEnvLayer({ CAROOT_ISTIOD: "-----BEGIN CERTIFICATE-----\n", OTHER: "of mesh" }, "istio-system", "x"),
  ]);
  const rows = rowsOf(settings);
  const value = (name: string) => rows.find(({ setting }) => setting === name)?.value;
  assert.equal(value("XDS_HEADER_AUTHORIZATION"), "[secret]");
  assert.equal(value("PROXY_CONFIG"), "[secret]");
  assert.equal(value("APP_SETTING"), undefined);
  assert.equal(value("ISTIO_META_X"), "shown");
  assert.equal(value("OTHER"), "of mesh");
  assert.equal(value("CAROOT_ISTIOD"), "[1 certificate]");
  for (const text of [JSON.stringify(rows), tableOf(rows), redact("planted-header-1")]) {
    assert(!text.includes("planted"));
  }
});

Deno.test("config: the table is aligned, and dims sources in colour", () => {
  const rows = [{ setting: "A", value: ["1", "2"], source: "default" }, {
    setting: "LONGER_ONE",
    value: null,
    source: "flag",
  }];
  assert.equal(tableOf(rows), "SETTING     VALUE    SOURCE\nA           1,2      default\nLONGER_ONE  -        flag\n");
  assert(tableOf(rows, true).includes("\x1b[2mflag\x1b[0m"));
});
