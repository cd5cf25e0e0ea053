import type { InstanceFacts, Settings } from "../settings/mod.ts";
import type { ControlPlane } from "../mesh/mod.ts";
import type { Paths } from "../identity/mod.ts";

export interface AgentOptions {
  settings: Settings;
  controlPlane: ControlPlane;
  paths: Paths;
  facts: InstanceFacts | undefined;
  /** Path of Envoy. */
  envoy: string;
  /** File that is merged into Envoy's bootstrap. */
  bootstrapOverride?: string | undefined;
  instanceIp: string | undefined;
  /** Threads of Envoy. */
  concurrency: number;
  /** Where programs are looked for. */
  path: string | undefined;
}

/** Ports of a sidecar, https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio. */
export const PORTS = { admin: 15_000, status: 15_020, ready: 15_021, inbound: 15_003 } as const;

/** Variables of these kinds, from wherever settings come, are the agent's; `SECRET_KEY` and the like are the app's own. */
const PASSED_ON =
  /^(ISTIO_META|ISTIO_METAJSON_|XDS_|CA_|DNS_|SECRET_(TTL|GRACE_PERIOD)|PILOT_|ISTIO_|EXIT_ON_ZERO|MINIMUM_DRAIN|GODEBUG$)/;

/** Exactly what `pilot-agent proxy` reads; nothing of the app's environment goes to it. */
export function agentEnvironment(options: AgentOptions): Record<string, string> {
  const { settings, controlPlane, paths, facts } = options;
  const passedOn = Object.fromEntries(Object.entries(settings.others).filter(([name]) => PASSED_ON.test(name)));
  const named: Record<string, string | undefined> = {
    PATH: options.path,
    HOME: paths.base,
    POD_NAME: settings.podName ?? settings.workload,
    POD_NAMESPACE: settings.namespace,
    SERVICE_ACCOUNT: settings.serviceAccount,
    INSTANCE_IP: options.instanceIp,
    TRUST_DOMAIN: controlPlane.trustDomain,
    // The agent expects ISTIOD_SAN in the CA's certificate only where CA_ADDR is left to be the XDS address.
    CA_ADDR: controlPlane.caAddress === controlPlane.xdsAddress ? undefined : controlPlane.caAddress,
    CA_PROVIDER: controlPlane.caProvider,
    ISTIOD_SAN: controlPlane.istiodName,
    ISTIO_META_CLUSTER_ID: controlPlane.clusterId,
    ISTIO_META_WORKLOAD_NAME: settings.workload,
    // EC keys take a tenth of the time of RSA ones.
    ECC_SIGNATURE_ALGORITHM: "ECDSA",
    // krun has asked the metadata server already; the agent would ask again before it starts Envoy.
    CLOUD_PLATFORM: "none",
    ISTIO_METAJSON_PLATFORM_METADATA: platformMetadata(settings, facts),
    // Names of the mesh for programs that ask DNS themselves; nobody asks where nothing is captured.
    ISTIO_META_DNS_CAPTURE: ["auto", "required"].includes(settings.capture) ? "true" : undefined,
    OUTPUT_CERTS: paths.outputCerts,
    GRPC_XDS_BOOTSTRAP: grpcBootstrap(settings, paths),
    ISTIO_BOOTSTRAP_OVERRIDE: options.bootstrapOverride,
    ...(controlPlane.managed
      ? { XDS_AUTH_PROVIDER: "gcp", XDS_ROOT_CA: "SYSTEM", CA_ROOT_CA: "SYSTEM", ISTIO_META_MESH_ID: meshId(settings) }
      : {}),
  };
  const set = Object.fromEntries(
    Object.entries(named).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""),
  );
  return { ...set, ...passedOn };
}

/** Where the agent writes gRPC's bootstrap, and the app finds it. */
export function grpcBootstrap(settings: Pick<Settings, "grpcXdsBootstrap">, paths: Pick<Paths, "proxyConfig">): string {
  return settings.grpcXdsBootstrap ?? `${paths.proxyConfig}/grpc_bootstrap.json`;
}

/** ProxyConfig, https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig; `over` is the user's own. */
export function proxyConfig(options: AgentOptions, over: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    binaryPath: options.envoy,
    configPath: options.paths.proxyConfig,
    proxyBootstrapTemplatePath: options.settings.bootstrapTemplate,
    discoveryAddress: options.controlPlane.xdsAddress,
    statusPort: PORTS.status,
    concurrency: options.concurrency,
    // The proxy is ended after the app and its tunnels: nobody is left to drain for.
    terminationDrainDuration: "0s",
    ...over,
  });
}

/** Arguments of pilot-agent. */
export function agentArguments(settings: Settings): string[] {
  return [
    "proxy",
    settings.gatewayName ? "router" : "sidecar",
    "--domain",
    `${settings.namespace}.svc.cluster.local`,
    `--proxyLogLevel=${settings.envoyLogLevel}`,
    `--log_output_level=${settings.agentLogLevel}`,
  ];
}

/** The names that Istio's own look at Google's platform gives. */
function platformMetadata(settings: Settings, facts: InstanceFacts | undefined): string | undefined {
  const known: Record<string, string | undefined> = {
    gcp_project: settings.projectId,
    gcp_project_number: settings.projectNumber,
    gcp_location: settings.clusterLocation ?? settings.region,
    gcp_gke_cluster_name: settings.clusterName,
    gcp_gce_instance_id: facts?.instanceId,
  };
  const entries = Object.entries(known).filter(([, value]) => value);
  return entries.length > 0 ? JSON.stringify(Object.fromEntries(entries)) : undefined;
}

function meshId(settings: Settings): string | undefined {
  return settings.projectNumber ? `proj-${settings.projectNumber}` : undefined;
}
