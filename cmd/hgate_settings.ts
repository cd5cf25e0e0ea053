import { choice, integer, text, toggle, type ValuesOf } from "../lib/settings/mod.ts";

const PORT = { from: 1, to: 65_535 };
const PORT_OR_NONE = { from: 0, to: 65_535 };

/** Every setting of hgate. */
export const HGATE_TABLE = {
  // where it is
  namespace: text("POD_NAMESPACE", "namespace of the gate; default: the pod's own, else istio-system", {
    flag: "namespace",
  }),
  podName: text("POD_NAME", "name of this replica, for the leader's lease; default: the host's name"),
  kubeconfig: text("KUBECONFIG", "kubeconfig to use outside a pod", { flag: "kubeconfig" }),
  context: text("HGATE_CONTEXT", "context of the kubeconfig; default: its current one", { flag: "context" }),
  clusterDomain: text("CLUSTER_DOMAIN", "DNS domain of the cluster", { fallback: "cluster.local" }),
  projectId: text("PROJECT_ID", "Google Cloud project; default: the metadata server's", { flag: "project" }),
  projectNumber: text("PROJECT_NUMBER", "its number; default: the metadata server's"),
  clusterName: text("CLUSTER_NAME", "name of the cluster; default: the metadata server's", { flag: "cluster" }),
  clusterLocation: text("CLUSTER_LOCATION", "its region or zone; default: the metadata server's", { flag: "location" }),
  meshTenant: text("MESH_TENANT", "tenant of a managed control plane, for mesh-env"),
  trustDomain: text("TRUST_DOMAIN", "trust domain of the mesh, for mesh-env"),
  googleCredentials: text(
    "GOOGLE_APPLICATION_CREDENTIALS",
    "Google credentials file of any kind, for ID tokens; default: gcloud's own, then the metadata server",
  ),

  // what it serves
  engine: choice(
    "HGATE_ENGINE",
    "who carries the streams: envoy, embedded (hgate itself), or auto: envoy where one is found",
    ["auto", "envoy", "embedded"],
    { flag: "engine", fallback: "auto" },
  ),
  envoy: text("HGATE_ENVOY", "path of Envoy; default: looked for in PATH and /usr/local/bin"),
  envoyDirectory: text(
    "HGATE_ENVOY_DIR",
    "directory shared with an Envoy in a container of its own: the sockets by which it is configured and asked",
    { flag: "envoy-dir" },
  ),
  tunnelPort: integer("HGATE_TUNNEL_PORT", "port for streams to registered services, by their SNI", PORT, {
    fallback: 15_442,
  }),
  istiodPort: integer("HGATE_ISTIOD_PORT", "port that leads to istiod", PORT, { fallback: 15_012 }),
  servicePort: integer(
    "HGATE_PASSTHROUGH_PORT",
    "port that leads to services in the cluster that allow it (15443); 0: none",
    {
      ...PORT_OR_NONE,
    },
    { fallback: 0 },
  ),
  istiod: text("HGATE_ISTIOD", "host:port of istiod", { fallback: "istiod.istio-system.svc:15012" }),
  istiodNames: text("HGATE_ISTIOD_NAMES", "names in the ClientHello that lead to istiod", {
    fallback: "istiod.istio-system.svc,istiod.istio-system.svc.cluster.local",
  }),
  frontEndHosts: text(
    "HGATE_FRONT_END_HOSTS",
    "hosts that may be given an ID token, with their subdomains, e.g. run.app,api.example.com",
    { fallback: "run.app" },
  ),
  audiences: text(
    "HGATE_AUDIENCES",
    "custom audiences that a host may be given tokens for, e.g. api.example.com=https://api,web-abc.a.run.app=web",
    { fallback: "" },
  ),
  frontEndRoots: text("HGATE_FRONT_END_ROOTS", "PEM file of roots for front ends, beside the system's"),
  maxTunnels: integer("HGATE_MAX_TUNNELS", "streams at once in all", { from: 1, to: 10_000_000 }, { fallback: 50_000 }),
  workers: integer("HGATE_WORKERS", "threads of the embedded engine; default: one for two cores, 4 at most", {
    from: 1,
    to: 64,
  }),

  // what it keeps up
  register: toggle("HGATE_REGISTER", "write the Istio objects of services that ask to be registered", {
    fallback: true,
  }),
  meshEnv: toggle("HGATE_MESH_ENV", "keep the config map mesh-env true", { fallback: true }),

  // its own life
  httpPort: integer("HGATE_HTTP_PORT", "port of /healthz, /readyz, /metrics and /debug/routes", PORT, {
    flag: "http-port",
    fallback: 8_080,
  }),
  notReadyMs: integer(
    "HGATE_NOT_READY_MS",
    "milliseconds between not being ready and taking nothing new, until all have learnt of it",
    { from: 0, to: 600_000 },
    { fallback: 5_000 },
  ),
  drainMs: integer("HGATE_DRAIN_MS", "milliseconds that open streams get at the end", { from: 0, to: 3_600_000 }, {
    fallback: 20_000,
  }),
  debug: toggle("HGATE_DEBUG", "log every step", { flag: "debug", fallback: false }),
  logFormat: choice("HGATE_LOG_FORMAT", "text, json (Cloud Logging), or auto: text on a terminal", [
    "auto",
    "text",
    "json",
  ], { flag: "log-format", fallback: "auto" }),
};

export type HgateSettings = ValuesOf<typeof HGATE_TABLE>;

/** The sockets in a directory that hgate shares with an Envoy in a container of its own. */
export function meetingPlace(directory: string) {
  return { adsPath: `${directory}/ads`, adminPath: `${directory}/admin` };
}
