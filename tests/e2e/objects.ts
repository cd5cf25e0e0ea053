/** Kubernetes and Istio objects of the end-to-end world. */
import { parseAllDocuments } from "yaml";

export const NAMESPACE = "krun-e2e";
export const SERVICE = "cr-e2e";

const meta = (name: string, more: object = {}) => ({ name, namespace: NAMESPACE, ...more });

export const namespace = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: NAMESPACE, labels: { "istio-injection": "enabled" } },
};

/** The rights of manifests/namespace, for the account that krun runs as. */
export async function runnerRights(): Promise<object[]> {
  const manifest = await Deno.readTextFile(new URL("../../manifests/namespace/rbac.yaml", import.meta.url));
  const [role, binding] = parseAllDocuments(manifest).map((document) => document.toJS());
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: meta("krun-runner") },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: meta("echo") },
    { ...role, metadata: meta("krun") },
    {
      ...binding,
      metadata: meta("krun"),
      subjects: [{ kind: "ServiceAccount", name: "krun-runner", namespace: NAMESPACE }],
    },
  ];
}

export function meshEnv(data: Record<string, string>): object {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: meta("mesh-env"), data };
}

/** fortio with a sidecar: HTTP, gRPC and opaque TCP for krun's app to call, and the client of the way back. */
export function echo(image: string): object[] {
  const ports = [
    { name: "http", port: 8080, targetPort: 8080 },
    { name: "grpc", port: 8079, targetPort: 8079 },
    { name: "tcp-echo", port: 8078, targetPort: 8078 },
  ];
  return [
    { apiVersion: "v1", kind: "Service", metadata: meta("echo"), spec: { selector: { app: "echo" }, ports } },
    deployment("echo", image, ["/usr/local/bin/fortio", "server"], {
      podLabels: { app: "echo" },
      account: "echo",
    }),
    // 418 for one path, to be seen through every way that honours routes
    {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: meta("echo"),
      spec: {
        hosts: ["echo"],
        http: [
          {
            match: [{ uri: { prefix: "/teapot" } }],
            fault: { abort: { percentage: { value: 100 }, httpStatus: 418 } },
            route: [{ destination: { host: "echo" } }],
          },
          { route: [{ destination: { host: "echo" } }] },
        ],
      },
    },
    {
      apiVersion: "security.istio.io/v1",
      kind: "PeerAuthentication",
      metadata: meta("strict"),
      spec: { selector: { matchLabels: { app: "echo" } }, mtls: { mode: "STRICT" } },
    },
  ];
}

/** An Envoy of our own configuration, with a Service; not part of the mesh. */
export function envoyPod(
  name: string,
  image: string,
  config: object,
  secret: Record<string, string>,
  port: { port: number; targetPort: number },
): object[] {
  return [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: meta(name),
      stringData: { "envoy.json": JSON.stringify(config), ...secret },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: meta(name),
      spec: { selector: { app: name }, ports: [{ name: "tcp-in", ...port }] },
    },
    deployment(name, image, ["/usr/local/bin/envoy", "-c", "/etc/envoy-secret/envoy.json", "--concurrency", "1"], {
      podLabels: { app: name, "sidecar.istio.io/inject": "false" },
      secret: name,
      readyPort: port.targetPort,
    }),
  ];
}

/** istiod for those outside the cluster, at an address of a node. */
export function istiodOutside(address: string): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "krun-e2e-istiod", namespace: "istio-system" },
    spec: { selector: { app: "istiod" }, externalIPs: [address], ports: [{ name: "tls", port: 15_012 }] },
  };
}

function deployment(
  name: string,
  image: string,
  command: string[],
  options: { podLabels: Record<string, string>; account?: string; secret?: string; readyPort?: number },
): object {
  const mounted = options.secret ? [{ name: "config", mountPath: "/etc/envoy-secret", readOnly: true }] : [];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: meta(name),
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: options.podLabels, annotations: { "krun-e2e/config": crypto.randomUUID() } },
        spec: {
          terminationGracePeriodSeconds: 1,
          ...(options.account ? { serviceAccountName: options.account } : {}),
          containers: [{
            name,
            image,
            imagePullPolicy: "IfNotPresent",
            command,
            securityContext: { runAsUser: 1000 },
            volumeMounts: mounted,
            ...(options.readyPort
              ? { readinessProbe: { tcpSocket: { port: options.readyPort }, periodSeconds: 1 } }
              : {}),
          }],
          volumes: options.secret
            ? [{ name: "config", secret: { secretName: options.secret, defaultMode: 0o444 } }]
            : [],
        },
      },
    },
  };
}
