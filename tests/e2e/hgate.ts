import { relative } from "node:path";
import { stringify } from "yaml";
import type { Cluster } from "./cluster.ts";
import { eventually } from "./process.ts";

export const HGATE = "localhost/krun-e2e/hgate:test";
export const HGATE_NAMESPACE = "istio-system";

export interface HgateOptions {
  /** Name of the front end as the gate sees it, and its address in the cluster. */
  frontEnd: { host: string; address: string; roots: string };
  metadataHost: string;
  cloudRunEndpoint: string;
}

/** Applies manifests/hgate as a user would: an overlay with their image and settings. */
export async function applyHgate(cluster: Cluster, directory: string, options: HgateOptions): Promise<void> {
  const overlay = `${directory}/hgate`;
  await Deno.mkdir(overlay, { recursive: true });
  const base = relative(await Deno.realPath(overlay), new URL("../../manifests/hgate", import.meta.url).pathname);
  await Deno.writeTextFile(`${overlay}/front-end.pem`, options.frontEnd.roots);
  await Deno.writeTextFile(`${overlay}/kustomization.yaml`, stringify(overlayOf(base, options)));
  await cluster.kubectl("apply", "-k", overlay);
}

function overlayOf(base: string, { frontEnd, metadataHost, cloudRunEndpoint }: HgateOptions): object {
  const add = (path: string, value: unknown) => ({ op: "add", path: `/spec/template/spec/${path}`, value });
  const variable = (name: string, value: string) => add("containers/0/env/-", { name, value });
  const patch = [
    // Only what a stand-in for Google wants; the image is on the node.
    variable("GCE_METADATA_HOST", metadataHost),
    variable("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", cloudRunEndpoint),
    variable("HGATE_FRONT_END_ROOTS", "/etc/front-end/front-end.pem"),
    variable("CLUSTER_NAME", "e2e"),
    variable("CLUSTER_LOCATION", "us-central1"),
    variable("TRUST_DOMAIN", "cluster.local"),
    add("hostAliases", [{ ip: frontEnd.address, hostnames: [frontEnd.host] }]),
    add("volumes/-", { name: "front-end", configMap: { name: "hgate-front-end" } }),
    add("containers/0/volumeMounts/-", { name: "front-end", mountPath: "/etc/front-end", readOnly: true }),
    add("containers/0/imagePullPolicy", "IfNotPresent"),
    add("containers/1/imagePullPolicy", "IfNotPresent"),
  ];
  return {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    namespace: HGATE_NAMESPACE,
    resources: [base],
    images: [{ name: "hgate", newName: HGATE.split(":")[0], newTag: "test" }],
    configMapGenerator: [{ name: "hgate-front-end", files: ["front-end.pem"] }],
    patches: [{ target: { kind: "Deployment", name: "hgate" }, patch: stringify(patch) }],
  };
}

/** Waits until both replicas are ready. @returns the internal gate's address, as its registrations say it */
export async function untilHgate(cluster: Cluster): Promise<string> {
  await cluster.kubectl("-n", HGATE_NAMESPACE, "rollout", "status", "deployment/hgate", "--timeout=120s");
  return await eventually("an address of Service internal-hgate", async () => {
    const service = await cluster.get<{
      spec: { clusterIP: string };
      status: { loadBalancer: { ingress?: { ip?: string }[] } };
    }>("-n", HGATE_NAMESPACE, "service", "internal-hgate");
    return service.status.loadBalancer.ingress?.[0]?.ip;
  });
}

/** Takes all of it away. */
export async function removeHgate(cluster: Cluster, directory: string): Promise<void> {
  await cluster.tryKubectl("delete", "-k", `${directory}/hgate`, "--ignore-not-found", "--wait=true");
  await cluster.tryKubectl("-n", HGATE_NAMESPACE, "delete", "lease", "hgate", "--ignore-not-found");
  await cluster.tryKubectl("-n", HGATE_NAMESPACE, "delete", "configmap", "mesh-env", "--ignore-not-found");
}
