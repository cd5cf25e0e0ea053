import { choice, integer, type Setting, text, toggle } from "./setting.ts";

const PORT = { from: 1, to: 65_535 };

/** Every setting of krun. The variables of the original keep their names; new ones begin with KRUN_ or MESH_. */
export const TABLE = {
  // who the workload is
  namespace: text("WORKLOAD_NAMESPACE", "namespace the workload joins; default: NS of the Google account k8s-NS@…", {
    flag: "namespace",
    fallback: "default",
  }),
  workload: text("WORKLOAD_NAME", "name of the workload; default: the Cloud Run service's or job's", {
    flag: "name",
    fallback: "default",
  }),
  serviceAccount: text("WORKLOAD_SERVICE_ACCOUNT", "Kubernetes service account whose identity it gets", {
    flag: "service-account",
    fallback: "default",
  }),
  podName: text(
    "POD_NAME",
    "node name in the mesh; default: K_REVISION, or a job's execution and task, and 8 characters of the instance's id",
  ),
  instanceIp: text("INSTANCE_IP", "address of this instance; default: that of its first interface"),
  gatewayName: text("GATEWAY_NAME", "run the proxy as the gateway of this name instead of as a sidecar"),

  // which cluster
  mesh: text(
    "MESH",
    "gke://PROJECT[/LOCATION/CLUSTER], https://container.googleapis.com/v1/projects/P/locations/L/clusters/C, " +
      "or file://PATH of a kubeconfig or mesh-env",
    { flag: "mesh" },
  ),
  projectId: text("PROJECT_ID", "Google Cloud project of the cluster; default: the workload's own", {
    flag: "project",
  }),
  projectNumber: text("PROJECT_NUMBER", "its number"),
  clusterName: text("CLUSTER_NAME", "GKE cluster; default: chosen, see README", { flag: "cluster" }),
  clusterLocation: text("CLUSTER_LOCATION", "its region or zone", { flag: "location" }),
  region: text("REGION", "region of this workload", { flag: "region" }),
  clusterBudgetMs: integer(
    "KRUN_CLUSTER_BUDGET_MS",
    "milliseconds a cluster has to answer before the next is taken",
    { from: 100, to: 120_000 },
    { fallback: 5_000 },
  ),
  kubeconfig: text("KUBECONFIG", "kubeconfig to use; default: ~/.kube/config where it is there", {
    flag: "kubeconfig",
  }),
  context: text("KRUN_CONTEXT", "context of the kubeconfig; default: its current one", { flag: "context" }),
  googleCredentials: text(
    "GOOGLE_APPLICATION_CREDENTIALS",
    "Google credentials file of any kind; default: gcloud's own, then the metadata server",
  ),

  // the mesh's control plane
  xdsAddress: text("XDS_ADDR", "host:port of the XDS server; - for no mesh"),
  meshTenant: text("MESH_TENANT", "tenant of a managed control plane; - for none"),
  internalGate: text("IMCON_ADDR", "internal address of the gate, which leads to istiod on 15012"),
  externalGate: text("MCON_ADDR", "external address of the gate"),
  trustDomain: text("TRUST_DOMAIN", "trust domain; default: PROJECT.svc.id.goog, or cluster.local with OSS_ISTIO"),
  ossIstio: toggle(
    "OSS_ISTIO",
    "tokens for audience istio-ca; default: true unless the trust domain is one of *.svc.id.goog",
  ),
  clusterId: text(
    "ISTIO_META_CLUSTER_ID",
    "id of the cluster in istiod; default: Kubernetes, or cn-P-L-C when managed",
  ),
  meshEnvPollMs: integer(
    "KRUN_MESH_ENV_POLL_MS",
    "milliseconds from one reading of mesh-env to the next; 0 reads it at the start alone",
    { from: 0, to: 86_400_000 },
    { fallback: 60_000 },
  ),
  caPool: text("CA_POOL", "CA Service pool that signs the certificates"),

  tokenRenewSeconds: integer(
    "KRUN_TOKEN_RENEW_SECONDS",
    "seconds after which the workload's token is renewed; default: two thirds of its life",
    { from: 1, to: 86_400 },
  ),

  meshRequired: toggle("MESH_REQUIRED", "false lets the app start alone where the mesh cannot be joined", {
    fallback: true,
  }),

  // the proxy
  proxy: choice(
    "KRUN_PROXY",
    "envoy: pilot-agent and Envoy; plain: a forward proxy without mesh features; none",
    ["envoy", "plain", "none"],
    { flag: "proxy", fallback: "envoy" },
  ),
  proxyPort: integer("KRUN_PROXY_PORT", "port of the app's HTTP_PROXY on the loopback", PORT, { fallback: 15_007 }),
  capture: choice(
    "KRUN_CAPTURE",
    "how the app's traffic gets to the proxy: required (iptables), auto (iptables in a container that may, else " +
      "whitebox), whitebox (proxy variables), none",
    ["auto", "required", "whitebox", "none"],
    { flag: "capture", fallback: "auto" },
  ),
  interceptionMode: text("ISTIO_META_INTERCEPTION_MODE", "NONE asks for whitebox"),
  pilotAgent: text("KRUN_PILOT_AGENT", "path of pilot-agent; default: looked for in PATH and /usr/local/bin"),
  envoy: text("KRUN_ENVOY", "path of Envoy; default: looked for in PATH and /usr/local/bin"),
  bootstrapTemplate: text("KRUN_BOOTSTRAP_TEMPLATE", "Envoy bootstrap template of pilot-agent", {
    fallback: "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json",
  }),
  // its proxyMetadata may hold headers with credentials
  proxyConfig: text("PROXY_CONFIG", "Istio ProxyConfig (JSON or YAML) that goes over krun's own", { secret: true }),
  proxyReadyMs: integer("KRUN_PROXY_READY_MS", "milliseconds until the proxy must be ready", {
    from: 1_000,
    to: 600_000,
  }, { fallback: 30_000 }),
  envoyLogLevel: text("ENVOY_LOG_LEVEL", "log level of Envoy", { fallback: "warning" }),
  agentLogLevel: text("XDS_AGENT_DEBUG", "log levels of pilot-agent, e.g. all:debug", { fallback: "all:warn" }),
  forwards: text("MESH_FORWARD", "LOCAL_PORT=SERVICE:PORT,…: TCP ports of the loopback that lead to services", {
    flag: "forward",
  }),
  whiteboxPorts: text("WHITEBOX_PORTS", "ports of HTTP services besides those learnt from the mesh, e.g. 8080,9090"),
  grpcXdsBootstrap: text(
    "GRPC_XDS_BOOTSTRAP",
    "bootstrap file of proxyless gRPC; default: etc/istio/proxy/grpc_bootstrap.json below MESH_BASE_DIR",
  ),

  // the tunnel's end
  tunnel: choice(
    "KRUN_TUNNEL",
    "who serves the tunnel's end: krun, envoy (where it loses no data), or none, as in a job",
    [
      "krun",
      "envoy",
      "none",
    ],
    { flag: "tunnel", fallback: "krun" },
  ),
  tunnelPort: integer("KRUN_TUNNEL_PORT", "port of the tunnel's end; default on Cloud Run: PORT", PORT, {
    flag: "tunnel-port",
    fallback: 15_009,
  }),
  tunnelOpens: choice(
    "KRUN_TUNNEL_OPENS",
    "when the tunnel's port accepts: app (the app is ready) or network (the proxy is, and requests wait for the app; " +
      "for an app in another container that is to start after krun)",
    ["app", "network"],
    { fallback: "app" },
  ),
  tunnelWorkers: integer("KRUN_TUNNEL_WORKERS", "threads that serve it; default: one for two cores, 4 at most", {
    from: 1,
    to: 64,
  }),

  // the app
  appPort: integer("PORT_http", "port the app listens on", PORT, { flag: "app-port", fallback: 8_080 }),
  appUid: integer("K8S_UID", "user id to run the app as, where krun runs as root", { from: 0, to: 4_294_967_294 }),
  signalGroup: toggle("KRUN_SIGNAL_GROUP", "signals go to all of the app's process group, e.g. a script's children", {
    flag: "signal-group",
    fallback: false,
  }),
  graceMs: integer(
    "KRUN_GRACE_MS",
    "milliseconds from SIGTERM until an app that has not ended is killed; Cloud Run kills everything after 10 s",
    { from: 100, to: 3_600_000 },
    { fallback: 9_000 },
  ),
  startupProbeHttp: text("startupProbe.http", "URL that answers 2xx or 3xx when the app is ready", {
    flag: "startup-http",
  }),
  startupProbeTcp: text(
    "startupProbe.tcp",
    "host:port that accepts when the app is ready; - for an app that listens on nothing; default of a job: -",
  ),
  startupProbeMs: integer("KRUN_STARTUP_MS", "milliseconds until the app must be ready", { from: 100, to: 3_600_000 }, {
    fallback: 10_000,
  }),

  // paths, health and logs
  healthPort: integer("KRUN_HEALTH_PORT", "port of /healthz and /metrics on the loopback; 0 for none", {
    from: 0,
    to: 65_535,
  }, { fallback: 15_019 }),
  baseDir: text("MESH_BASE_DIR", "directory above etc and var; default: / as root, else the working directory"),
  debug: toggle("MESH_DEBUG", "log every step", { flag: "debug", fallback: false }),
  logFormat: choice("KRUN_LOG_FORMAT", "text, json (Cloud Logging), or auto: text on a terminal", [
    "auto",
    "text",
    "json",
  ], { flag: "log-format", fallback: "auto" }),
} satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof TABLE;
