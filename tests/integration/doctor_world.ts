/**
 * A mesh in which nothing is wrong, for the doctor: the administrator's world, with Istio, the gate and a registered service in it, an
 * istiod that answers in TLS and the gate's ports on a loopback address of their own. Faults are planted in it and taken back.
 */
import { createServer as createTcpServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { adminContext } from "../../lib/admin/mod.ts";
import { type DoctorOptions, examine, type Report } from "../../lib/admin/doctor/mod.ts";
import type { Fetch } from "../../lib/base/http.ts";
import { registrationObjects, URL_ANNOTATION } from "../../lib/registration/mod.ts";
import { type CertifiedKey, createAuthority } from "../emulators/certificates.ts";
import { runService } from "../emulators/cloud_run.ts";
import { EmulatedPolicy } from "../emulators/iam_policy.ts";
import { closer } from "../emulators/http_server.ts";
import { workloadPermissions } from "../emulators/world.ts";
import {
  type AdminWorld,
  CLUSTER,
  GATE_ACCOUNT,
  PROJECT,
  PROJECT_NUMBER,
  REGION,
  startAdminWorld,
} from "./admin_world.ts";

export const SERVICE = "web";
export const NAMESPACE = "shop";
export const ACCOUNT = `k8s-${NAMESPACE}@${PROJECT}.iam.gserviceaccount.com`;
export const SERVICE_NAME = `projects/${PROJECT}/locations/${REGION}/services/${SERVICE}`;
const SYSTEM = "istio-system";
const ISTIOD = "istiod.istio-system.svc";
const APPS = { apiVersion: "apps/v1", kind: "Deployment" };
const RBAC = "rbac.authorization.k8s.io";

/** The parts of an object that faults change. */
export type Loose = Record<string, unknown> & { metadata: Record<string, unknown> };

export interface DoctorWorld extends AsyncDisposable {
  admin: AdminWorld;
  /** Internal and external address of the gate. */
  gate: { internal: string; external: string };
  /** The mesh's root, and another. */
  root: ReturnType<typeof createAuthority>;
  otherRoot: ReturnType<typeof createAuthority>;
  /** URL that the service is registered by. */
  url: string;
  /** What every replica of the gate says at /debug/routes, beside the routes of all that is registered. */
  gateReport: {
    notReady: string | null;
    problems: { object: string; problem: string }[];
    /** Registrations that it does not see. */
    unseen: Set<string>;
  };
  /** As a replica says it. */
  gateAnswer(): string;
  examine(options?: Partial<DoctorOptions> & { environment?: Record<string, string>; fetch?: Fetch }): Promise<Report>;
  /** Changes an object, or removes it where `change` gives nothing. @returns puts it back */
  edit(
    resource: string,
    namespace: string | undefined,
    name: string,
    change: (object: Loose) => Loose | void,
  ): () => void;
  /** Changes the Cloud Run service. @returns puts it back */
  editRun(change: (service: Record<string, never> & Loose) => void): () => void;
  /** Another certificate at istiod. */
  istiodShows(certificate: CertifiedKey): Promise<() => Promise<void>>;
  /** Nobody listens at a port of the gate's internal address. */
  closePort(port: 15_442 | 15_012): Promise<() => Promise<void>>;
}

export async function startDoctorWorld(): Promise<DoctorWorld> {
  await using started = new AsyncDisposableStack();
  const admin = started.use(await startAdminWorld());
  const root = createAuthority("istio-root");
  const otherRoot = createAuthority("another-root");
  const gate = { internal: loopback(), external: loopback() };
  const istiod = (certificate: CertifiedKey, address: string) => listenTls(certificate, address, 15_012);
  const good = root.issue({ commonName: "istiod", subjectAltNames: [ISTIOD], lifetimeSeconds: 365 * 86_400 });
  const ports = new Map<number, AsyncDisposable>([
    [15_442, await listen(createTcpServer((socket) => socket.destroy()), gate.internal, 15_442)],
    [15_012, await istiod(good, gate.internal)],
  ]);
  started.use(await istiod(good, gate.external));
  started.defer(async () => {
    for (const port of ports.values()) await port[Symbol.asyncDispose]();
  });

  const service = runService({ project: PROJECT, projectNumber: PROJECT_NUMBER, region: REGION, service: SERVICE });
  Object.assign(service.template!, {
    serviceAccount: ACCOUNT,
    executionEnvironment: "EXECUTION_ENVIRONMENT_GEN2",
    vpcAccess: { networkInterfaces: [{ network: "default", subnetwork: "default" }], egress: "PRIVATE_RANGES_ONLY" },
  });
  admin.cloudRun.state.services.push(service);
  admin.cloudRun.policies.of(SERVICE_NAME).edit((bindings) =>
    void bindings.push({ role: "roles/run.invoker", members: [`serviceAccount:${GATE_ACCOUNT}`] })
  );
  const member = `serviceAccount:${PROJECT}.svc.id.goog[${SYSTEM}/hgate]`;
  const bindings = [{ role: "roles/iam.workloadIdentityUser", members: [member] }];
  admin.iam.state.policies.set(GATE_ACCOUNT, new EmulatedPolicy({ bindings }));
  const url = service.uri!;
  const gateReport: DoctorWorld["gateReport"] = { notReady: null, problems: [], unseen: new Set() };
  const gateAnswer = () => gateAnswerOf(admin, gateReport);
  fillCluster(admin, { gate, root: root.certificatePem, url });
  for (const pod of ["hgate-1", "hgate-2"]) {
    admin.kubernetes.state.podPorts[`${SYSTEM}/${pod}:8080`] = (path) =>
      path === "/debug/routes" ? { status: 200, body: gateAnswer() } : { status: 404 };
  }
  const inSystem = { verb: "get", resource: "configmaps", name: "mesh-env", namespace: SYSTEM };
  admin.kubernetes.state.permissions.push(
    ...workloadPermissions(ACCOUNT, NAMESPACE).filter(({ namespace }) => namespace !== SYSTEM),
    { subject: "group:system:authenticated", ...inSystem }, // as some clusters have it
  );

  const objects = admin.kubernetes.objects;
  const replacePort = async (
    port: number,
    other: () => Promise<AsyncDisposable>,
    before: () => Promise<AsyncDisposable>,
  ) => {
    await ports.get(port)![Symbol.asyncDispose]();
    ports.set(port, await other());
    return async () => {
      await ports.get(port)![Symbol.asyncDispose]();
      ports.set(port, await before());
    };
  };
  const running = started.move();
  return {
    admin,
    gate,
    root,
    otherRoot,
    url,
    gateReport,
    gateAnswer,
    async examine({ environment = admin.environment, fetch = admin.fetch, ...options } = {}) {
      using context = adminContext({}, { environment, fetch: withDate(fetch) });
      const { signal = new AbortController().signal, ...rest } = options;
      return await examine({ context, service: SERVICE, namespace: NAMESPACE, signal, timeoutMs: 3_000, ...rest });
    },
    edit(resource, namespace, name, change) {
      const { object } = objects.row(resource, namespace, name)!;
      const copy = structuredClone(object) as unknown as Loose;
      const changed = change(copy);
      if (changed) objects.put(resource, changed);
      else objects.delete(resource, namespace, name);
      return () => void objects.put(resource, object);
    },
    editRun(change) {
      const { services } = admin.cloudRun.state;
      const before = structuredClone(services[0]!);
      change(services[0] as unknown as Record<string, never> & Loose);
      return () => void (services[0] = before);
    },
    istiodShows: (certificate) =>
      replacePort(15_012, () => istiod(certificate, gate.internal), () => istiod(good, gate.internal)),
    closePort(port) {
      const nothing = () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() });
      const before = port === 15_012
        ? () => istiod(good, gate.internal)
        : () => listen(createTcpServer((socket) => socket.destroy()), gate.internal, port);
      return replacePort(port, nothing, before);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function fillCluster(
  { put, kubernetes: { objects } }: AdminWorld,
  { gate, root, url }: { gate: DoctorWorld["gate"]; root: string; url: string },
): void {
  const lb = (ip: string) => ({ loadBalancer: { ingress: [{ ip }] } });
  const ports = (...numbers: number[]) => numbers.map((port) => ({ name: `tls-${port}`, port, targetPort: port }));
  const deployment = (name: string, image: string, replicas: number) => ({
    ...APPS,
    metadata: { name, namespace: SYSTEM, labels: { app: name } },
    spec: { replicas, template: { spec: { containers: [{ name, image }] } } },
    status: { replicas, readyReplicas: replicas },
  });
  put("deployments", deployment("istiod", "docker.io/istio/pilot:1.27.1", 1));
  put("deployments", deployment("hgate", "registry.example/hgate:1", 2));
  for (const name of ["hgate-1", "hgate-2"]) {
    const metadata = { name, namespace: SYSTEM, labels: { app: "hgate" } };
    const status = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
    put("pods", { apiVersion: "v1", kind: "Pod", metadata, status });
  }
  const gateService = (name: string, ip: string, numbers: number[]) =>
    put("services", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: SYSTEM },
      spec: { type: "LoadBalancer", ports: ports(...numbers) },
      status: lb(ip),
    });
  gateService("internal-hgate", gate.internal, [15_443, 15_442, 15_012]);
  gateService("hgate", gate.external, [15_443, 15_012]);
  const data = {
    PROJECT_ID: PROJECT,
    PROJECT_NUMBER,
    CLUSTER_NAME: CLUSTER,
    CLUSTER_LOCATION: REGION,
    IMCON_ADDR: gate.internal,
    MCON_ADDR: gate.external,
    CAROOT_ISTIOD: root,
  };
  const configMap = (name: string, data: Record<string, string>) =>
    put("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: SYSTEM }, data });
  configMap("mesh-env", data);
  configMap("istio-ca-root-cert", { "root-cert.pem": root });

  put("namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: NAMESPACE, labels: { "istio-injection": "enabled" } },
    status: { phase: "Active" },
  });
  const inNamespace = (name: string) => ({ name, namespace: NAMESPACE });
  put("serviceaccounts", { apiVersion: "v1", kind: "ServiceAccount", metadata: inNamespace("default") });
  put("roles", {
    apiVersion: `${RBAC}/v1`,
    kind: "Role",
    metadata: inNamespace("krun"),
    rules: [
      { apiGroups: [""], resources: ["serviceaccounts/token"], resourceNames: ["default"], verbs: ["create"] },
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["mesh-env"], verbs: ["get"] },
    ],
  });
  put("rolebindings", {
    apiVersion: `${RBAC}/v1`,
    kind: "RoleBinding",
    metadata: inNamespace("krun"),
    roleRef: { apiGroup: RBAC, kind: "Role", name: "krun" },
    subjects: [{ apiGroup: RBAC, kind: "User", name: ACCOUNT }],
  });
  const registration = { name: SERVICE, namespace: NAMESPACE, url, gateAddress: gate.internal };
  for (const object of registrationObjects({ ...registration, requestTimeoutMs: 300_000, concurrency: 80 })) {
    objects.put(RESOURCE[object.kind]!, object as unknown as Record<string, unknown>);
  }
}

/** The report of lib/gate/status.ts, with a route for each Service that says a URL. */
function gateAnswerOf({ kubernetes: { objects } }: AdminWorld, report: DoctorWorld["gateReport"]): string {
  const { notReady, problems, unseen } = report;
  const tunnels = objects.list("services").flatMap(({ metadata }) => {
    const url = (metadata.annotations as Record<string, string> | undefined)?.[URL_ANNOTATION];
    const service = `${metadata.namespace}/${metadata.name}`;
    const names = [`outbound_.8080_._.${metadata.name}.${metadata.namespace}.svc.cluster.local`];
    return url && !unseen.has(service) ? [{ kind: "tunnel", service, names, to: `${url}/_hbone/15003`, open: 0 }] : [];
  });
  const istiod = { kind: "istiod", service: `${SYSTEM}/istiod`, names: [ISTIOD], to: `${ISTIOD}:15012`, open: 0 };
  return JSON.stringify({ engine: "envoy", notReady, isLeader: true, routes: [istiod, ...tunnels], problems });
}

const RESOURCE: Readonly<Record<string, string>> = {
  Service: "services",
  WorkloadEntry: "workloadentries",
  DestinationRule: "destinationrules",
  PeerAuthentication: "peerauthentications",
  Sidecar: "sidecars",
};

/** Emulators that are asked without the network send no `Date`, as every real server does. */
function withDate(send: Fetch): Fetch {
  return async (url, init) => {
    const answer = await send(url, init);
    if (answer.headers.has("date")) return answer;
    const headers = new Headers(answer.headers);
    headers.set("date", new Date().toUTCString());
    return new Response(answer.body, { status: answer.status, headers });
  };
}

/** One of the many addresses that a machine has for itself: the gate's ports are free there. */
function loopback(): string {
  const part = () => 1 + Math.floor(Math.random() * 253);
  return `127.${part()}.${part()}.${part()}`;
}

function listenTls({ certificatePem, privateKeyPem }: CertifiedKey, address: string, port: number) {
  const server = createTlsServer({ cert: certificatePem, key: privateKeyPem, ALPNProtocols: ["h2"] }, (socket) => {
    socket.on("error", () => {});
  });
  return listen(server, address, port);
}

async function listen(server: Server, address: string, port: number): Promise<AsyncDisposable> {
  const close = closer(server as never);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, () => resolve());
  });
  return { [Symbol.asyncDispose]: close };
}
