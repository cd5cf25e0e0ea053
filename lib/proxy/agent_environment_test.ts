import assert from "node:assert/strict";
import { pathsBelow } from "../identity/mod.ts";
import { controlPlaneOf } from "../mesh/mod.ts";
import { environmentLayers, gkeLayer, type InstanceFacts, meshEnvLayer, resolve } from "../settings/mod.ts";
import {
  agentArguments,
  agentEnvironment,
  type AgentOptions,
  grpcBootstrap,
  proxyConfig,
} from "./agent_environment.ts";

type Variables = Record<string, string>;

function optionsOf(environment: Variables, meshEnv: Variables = {}, facts?: InstanceFacts): AgentOptions {
  const settings = resolve([
    ...environmentLayers(environment),
    gkeLayer({ project: "p", location: "us-central1", name: "istio-1" }),
    meshEnvLayer(meshEnv, "istio-system", "x"),
  ]);
  return {
    settings,
    controlPlane: controlPlaneOf(settings),
    paths: pathsBelow("/base"),
    facts,
    envoy: "/usr/local/bin/envoy",
    instanceIp: "10.1.2.3",
    concurrency: 2,
    path: "/usr/bin",
  };
}

/** A value of `undefined`: the variable is not set. */
const CASES: [
  name: string,
  environment: Variables,
  meshEnv: Variables,
  expected: Record<string, string | undefined>,
][] = [
  [
    "Istio behind the gate's address: istiod's name is expected of its certificate",
    {},
    { IMCON_ADDR: "10.0.0.9" },
    { ISTIOD_SAN: "istiod.istio-system.svc", CA_ADDR: undefined, CA_PROVIDER: "Citadel", XDS_AUTH_PROVIDER: undefined },
  ],
  [
    "istiod by its own name: no other name is expected",
    { XDS_ADDR: "istiod.istio-system.svc:15012" },
    { IMCON_ADDR: "10.0.0.9" },
    { ISTIOD_SAN: undefined, CA_ADDR: undefined, CA_PROVIDER: "Citadel", ISTIO_META_CLUSTER_ID: "Kubernetes" },
  ],
  [
    "an explicit XDS_ADDR goes before a tenant",
    { XDS_ADDR: "192.0.2.1:15012" },
    { MESH_TENANT: "tenant" },
    { ISTIOD_SAN: "istiod.istio-system.svc", CA_PROVIDER: "Citadel", XDS_ROOT_CA: undefined },
  ],
  [
    "a managed control plane: Google's roots and CA",
    {},
    { MESH_TENANT: "tenant", PROJECT_NUMBER: "123" },
    {
      CA_ADDR: "meshca.googleapis.com:443",
      CA_PROVIDER: "GoogleCA",
      ISTIOD_SAN: undefined,
      XDS_AUTH_PROVIDER: "gcp",
      XDS_ROOT_CA: "SYSTEM",
      CA_ROOT_CA: "SYSTEM",
      ISTIO_META_MESH_ID: "proj-123",
      ISTIO_META_CLUSTER_ID: "cn-p-us-central1-istio-1",
      TRUST_DOMAIN: "p.svc.id.goog",
    },
  ],
  [
    "who the workload is",
    {
      WORKLOAD_NAMESPACE: "ns",
      WORKLOAD_NAME: "app",
      WORKLOAD_SERVICE_ACCOUNT: "sa",
      POD_NAME: "app-1",
      TRUST_DOMAIN: "td",
    },
    { IMCON_ADDR: "10.0.0.9" },
    {
      POD_NAME: "app-1",
      POD_NAMESPACE: "ns",
      SERVICE_ACCOUNT: "sa",
      INSTANCE_IP: "10.1.2.3",
      TRUST_DOMAIN: "td",
      ISTIO_META_WORKLOAD_NAME: "app",
    },
  ],
  ["without a name for the pod, the workload's", { WORKLOAD_NAME: "app" }, { IMCON_ADDR: "i" }, { POD_NAME: "app" }],
  [
    "gRPC's bootstrap below the base",
    {},
    { IMCON_ADDR: "i" },
    { GRPC_XDS_BOOTSTRAP: "/base/etc/istio/proxy/grpc_bootstrap.json", OUTPUT_CERTS: "/base/var/run/secrets/istio.io" },
  ],
  [
    "gRPC's bootstrap where the user wants it",
    { GRPC_XDS_BOOTSTRAP: "/tmp/b.json" },
    { IMCON_ADDR: "i" },
    { GRPC_XDS_BOOTSTRAP: "/tmp/b.json" },
  ],
  [
    "the agent's own variables, from the environment and from mesh-env, also over krun's",
    { ISTIO_META_X: "1", XDS_HEADER_Y: "2", PILOT_SKIP: "3", ISTIO_META_DNS_CAPTURE: "true" },
    {
      IMCON_ADDR: "i",
      CA_HEADER_Z: "4",
      ISTIO_META_DNS_CAPTURE: "false",
      ISTIO_META_WORKLOAD_NAME: "renamed",
      GODEBUG: "http2debug=1",
      SECRET_TTL: "1h",
    },
    {
      ISTIO_META_X: "1",
      XDS_HEADER_Y: "2",
      PILOT_SKIP: "3",
      CA_HEADER_Z: "4",
      ISTIO_META_DNS_CAPTURE: "true",
      ISTIO_META_WORKLOAD_NAME: "renamed",
      GODEBUG: "http2debug=1",
      SECRET_TTL: "1h",
    },
  ],
];
for (const [name, environment, meshEnv, expected] of CASES) {
  Deno.test(`agent's environment: ${name}`, () => {
    const found = agentEnvironment(optionsOf(environment, meshEnv));
    for (const [variable, value] of Object.entries(expected)) assert.equal(found[variable], value, variable);
  });
}

Deno.test("agent's environment: nothing of the app's own goes to it", () => {
  const own = {
    DATABASE_PASSWORD: "planted",
    GOOGLE_APPLICATION_CREDENTIALS: "/planted",
    KUBECONFIG: "/planted",
    LD_PRELOAD: "/planted",
    PORT: "1",
    K_SERVICE: "svc",
    PORT_grpc: "9000",
    MY_ISTIO_META: "planted",
    SECRET_KEY_BASE: "planted",
    AWS_SECRET_ACCESS_KEY: "planted",
    HTTP_PROXY: "http://planted",
    PATH: "/planted",
    HOME: "/planted",
  };
  const names = (environment: Variables) =>
    Object.keys(agentEnvironment(optionsOf(environment, { IMCON_ADDR: "i" }))).sort();
  assert.deepEqual(names(own), names({}));
  const found = agentEnvironment(optionsOf(own, { IMCON_ADDR: "i" }));
  assert.doesNotMatch(JSON.stringify(found), /planted/);
  assert.deepEqual([found["PATH"], found["HOME"]], ["/usr/bin", "/base"]);
});

Deno.test("agent's environment: platform metadata, so that the agent asks no metadata server", () => {
  const facts = { address: "m", instanceId: "42" };
  const known = agentEnvironment(optionsOf({ PROJECT_NUMBER: "123" }, { IMCON_ADDR: "i" }, facts));
  assert.equal(known["CLOUD_PLATFORM"], "none");
  assert.deepEqual(JSON.parse(known["ISTIO_METAJSON_PLATFORM_METADATA"]!), {
    gcp_project: "p",
    gcp_project_number: "123",
    gcp_location: "us-central1",
    gcp_gke_cluster_name: "istio-1",
    gcp_gce_instance_id: "42",
  });
  const settings = resolve(environmentLayers({ XDS_ADDR: "i:15012" }));
  const unknown = agentEnvironment({ ...optionsOf({}, { IMCON_ADDR: "i" }), settings });
  assert.equal("ISTIO_METAJSON_PLATFORM_METADATA" in unknown, false);
});

Deno.test("ProxyConfig: krun's own, with no time to drain; the user's goes over it", () => {
  const options = optionsOf({}, { IMCON_ADDR: "10.0.0.9" });
  const own = {
    binaryPath: "/usr/local/bin/envoy",
    configPath: "/base/etc/istio/proxy",
    proxyBootstrapTemplatePath: "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json",
    discoveryAddress: "10.0.0.9:15012",
    statusPort: 15_020,
    concurrency: 2,
    terminationDrainDuration: "0s",
  };
  assert.deepEqual(JSON.parse(proxyConfig(options, {})), own);
  const over = { concurrency: 1, terminationDrainDuration: "5s", proxyMetadata: { A: "b" } };
  assert.deepEqual(JSON.parse(proxyConfig(options, over)), { ...own, ...over });
});

const ARGUMENTS: [name: string, environment: Variables, expected: string[]][] = [
  ["a sidecar", { WORKLOAD_NAMESPACE: "ns" }, [
    "proxy",
    "sidecar",
    "--domain",
    "ns.svc.cluster.local",
    "--proxyLogLevel=warning",
    "--log_output_level=all:warn",
  ]],
  ["a gateway, loud", { GATEWAY_NAME: "gw", ENVOY_LOG_LEVEL: "debug", XDS_AGENT_DEBUG: "all:debug" }, [
    "proxy",
    "router",
    "--domain",
    "default.svc.cluster.local",
    "--proxyLogLevel=debug",
    "--log_output_level=all:debug",
  ]],
];
for (const [name, environment, expected] of ARGUMENTS) {
  Deno.test(`agent's arguments: ${name}`, () =>
    assert.deepEqual(agentArguments(resolve(environmentLayers(environment))), expected));
}

Deno.test("gRPC's bootstrap: app and agent are told the same path", () => {
  for (const environment of [{}, { GRPC_XDS_BOOTSTRAP: "/tmp/b.json" }]) {
    const options = optionsOf(environment, { IMCON_ADDR: "i" });
    assert.equal(agentEnvironment(options)["GRPC_XDS_BOOTSTRAP"], grpcBootstrap(options.settings, options.paths));
  }
});
