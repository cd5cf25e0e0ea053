import type { KubeObject } from "../kube/mod.ts";
import { drainableSeconds } from "./connection_limit.ts";
import * as words from "./names.ts";

/** A service of Cloud Run as a service of the mesh. */
export interface Registration {
  /** Of the Service, and of every object beside it. */
  name: string;
  namespace: string;
  /** `https://host[:port]` */
  url: string;
  /** @default the URL's own */
  audience?: string | undefined;
  /** Internal address of the gate. */
  gateAddress: string;
  /** Ports of the Service. @default [{ name: "http", port: 8080 }] */
  ports?: readonly ServicePort[] | undefined;
  /** As the workload calls itself, which is its label `app`; krun's default is the Cloud Run service's name. @default the name */
  workload?: string | undefined;
  /** As mesh telemetry shows it. @default the workload */
  canonicalName?: string | undefined;
  /** Who the workload runs as, for its SPIFFE identity. @default "default" */
  serviceAccount?: string | undefined;
  /** Request timeout of the Cloud Run service: every tunnel ends with it. */
  requestTimeoutMs?: number | undefined;
  /** Requests at once that an instance of the service takes. */
  concurrency?: number | undefined;
  /** Where the app listens in its instance, krun's PORT_http. @default 8080 */
  appPort?: number | undefined;
  /** Requests at once in one tunnel. @default the concurrency */
  maxStreams?: number | undefined;
  /** How long a client uses one connection. @default what the request timeout allows */
  maxConnectionMs?: number | undefined;
  /**
   * A Service that is there already, by which the service is registered: only its annotations are written, its selector where it
   * has none, and the label by which the gate finds it where it is to be `isLabelled` by us.
   */
  service?: { selector: Readonly<Record<string, string>> | undefined; isLabelled?: boolean } | undefined;
  /** Further annotations of the Service. */
  annotations?: Readonly<Record<string, string>> | undefined;
  /** Registration that this is one region of: what concerns the workload itself is written with that. */
  partOf?: string | undefined;
  /** What this was registered by, e.g. `Service prod/web`; what carries it may be removed when that is gone. */
  owner?: string | undefined;
  /** @default "cluster.local" */
  clusterDomain?: string | undefined;
}

export interface ServicePort {
  /** With the protocol first, as Istio reads it: `http`, `grpc-api`, `tcp-db`. */
  name: string;
  port: number;
}

/** The east-west port of Istio; nobody listens there at the workload, the entry says where the gate does. */
const TARGET_PORT = 15_443;
const GATE_PORT = 15_442;
const TUNNEL_PORT = 15_003;
const APP_PORT = 8_080;

/**
 * The Kubernetes and Istio objects that make it a service of the mesh; whoever registers, a person's command or the gate by itself,
 * applies these. The Service selects the WorkloadEntry by itself: no ServiceEntry and no VirtualService is needed.
 */
export function registrationObjects(registration: Registration): KubeObject[] {
  const { name, namespace, gateAddress, serviceAccount = "default", clusterDomain = "cluster.local" } = registration;
  const ports = registration.ports ?? [{ name: "http", port: APP_PORT }];
  const selector = registration.service?.selector ?? { [words.REGISTERED]: name };
  const workload = { app: registration.workload ?? name };
  const labels = {
    ...workload,
    ...selector,
    [words.REGISTERED]: name,
    [words.CANONICAL_NAME]: registration.canonicalName ?? workload.app,
  };
  const meta = (objectName: string) => ({
    name: objectName,
    namespace,
    labels: {
      [words.REGISTERED]: name,
      [words.MANAGED_BY]: words.MANAGED_BY_US,
      ...(registration.partOf ? { [words.PART_OF]: registration.partOf } : {}),
    },
    ...(registration.owner ? { annotations: { [words.OWNER_ANNOTATION]: registration.owner } } : {}),
  });
  const endpoint: KubeObject[] = [
    service(registration, selector, ports, meta(name)),
    {
      apiVersion: "networking.istio.io/v1",
      kind: "WorkloadEntry",
      metadata: { ...meta(`${name}-sni`), labels: { ...labels, ...meta(name).labels } },
      spec: {
        address: gateAddress,
        ports: Object.fromEntries(ports.map((port) => [port.name, GATE_PORT])),
        labels,
        serviceAccount,
      },
    },
    {
      apiVersion: "networking.istio.io/v1",
      kind: "DestinationRule",
      metadata: meta(name),
      spec: {
        host: `${name}.${namespace}.svc.${clusterDomain}`,
        trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" }, ...connectionPool(registration) },
      },
    },
  ];
  if (registration.partOf) return endpoint;
  return [
    ...endpoint,
    {
      apiVersion: "security.istio.io/v1",
      kind: "PeerAuthentication",
      metadata: meta(name),
      spec: {
        selector: { matchLabels: workload },
        mtls: { mode: "PERMISSIVE" },
        portLevelMtls: { [TUNNEL_PORT]: { mode: "STRICT" } },
      },
    },
    {
      apiVersion: "networking.istio.io/v1",
      kind: "Sidecar",
      metadata: meta(name),
      spec: {
        workloadSelector: { labels: workload },
        ingress: [{
          port: { number: TUNNEL_PORT, protocol: "HTTP", name: "http" },
          bind: "127.0.0.1",
          captureMode: "NONE",
          defaultEndpoint: `127.0.0.1:${registration.appPort ?? APP_PORT}`,
          ...(ports.some(isHttp2) ? { connectionPool: { http: { useClientProtocol: true } } } : {}),
        }],
        egress: [{ hosts: ["*/*"] }],
      },
    },
  ];
}

/**
 * Istio reads a port's protocol from the first part of its name. The one ingress is HTTP/1.1 to the app unless it is told to speak what
 * the client speaks, https://istio.io/latest/docs/reference/config/networking/sidecar/#IstioIngressListener (1.23 or later).
 */
function isHttp2({ name }: ServicePort): boolean {
  return /^(?:grpc|http2)(?:-|$)/.test(name);
}

function service(
  registration: Registration,
  selector: Readonly<Record<string, string>>,
  ports: readonly ServicePort[],
  meta: { name: string; namespace: string; labels: Record<string, string>; annotations?: Record<string, string> },
): KubeObject {
  const annotations = {
    [words.URL_ANNOTATION]: registration.url,
    ...(registration.audience ? { [words.AUDIENCE_ANNOTATION]: registration.audience } : {}),
    ...registration.annotations,
  };
  if (registration.service) {
    const { name, namespace } = meta;
    const labels = registration.service.isLabelled ? { labels: { [words.REGISTERED]: name } } : {};
    return {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace, ...labels, annotations },
      ...(registration.service.selector ? {} : { spec: { selector } }),
    };
  }
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...meta, annotations: { ...meta.annotations, ...annotations } },
    spec: {
      selector,
      ports: ports.map(({ name, port }) => ({ name, port, protocol: "TCP", targetPort: TARGET_PORT })),
    },
  };
}

function connectionPool(registration: Registration): { connectionPool?: object } {
  const { requestTimeoutMs, concurrency, maxStreams = concurrency, maxConnectionMs } = registration;
  const followed = requestTimeoutMs === undefined ? undefined : drainableSeconds(requestTimeoutMs);
  const seconds = maxConnectionMs === undefined ? followed : maxConnectionMs / 1_000;
  const pool = {
    ...(seconds === undefined ? {} : { tcp: { maxConnectionDuration: `${seconds}s` } }),
    ...(maxStreams === undefined ? {} : { http: { maxConcurrentStreams: Math.max(1, Math.floor(maxStreams)) } }),
  };
  return Object.keys(pool).length ? { connectionPool: pool } : {};
}
