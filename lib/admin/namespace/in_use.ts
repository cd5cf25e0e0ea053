import { HttpError } from "../../base/http.ts";
import { type KubeClient, type KubeObject, listAll, RESOURCES, type Selection } from "../../kube/mod.ts";
import { REGISTERED } from "../../registration/mod.ts";
import { isOurs } from "../kube_goals.ts";
import { foreignContents, shortList } from "./contents.ts";
import { injectsByUs } from "./labels.ts";

/**
 * Why the set-up of a namespace is not to be taken back yet, each with what ends it.
 * @param seen the Namespace as it is
 */
export async function usesOf(kube: KubeClient, seen: KubeObject, signal: AbortSignal): Promise<string[]> {
  const namespace = seen.metadata.name;
  const [services, entries, pods, contents] = await Promise.all([
    registered(kube, { resource: RESOURCES.Service, namespace, labelSelector: REGISTERED }, signal),
    registered(kube, { resource: RESOURCES.WorkloadEntry, namespace }, signal),
    injectsByUs(seen) ? podsWithSidecar(kube, namespace, signal) : [],
    isOurs(seen) ? foreignContents(kube, namespace, signal) : [],
  ]);
  return [
    ...services.map((name) =>
      `service ${name} is registered there: cloud-run-mesh unregister-service ${name} --namespace ${namespace}`
    ),
    ...(entries.length > 0 ? [`workloads are part of the mesh there: ${shortList(entries)}`] : []),
    ...(pods.length > 0 ? [`pods there have sidecars by its label: ${shortList(pods)}`] : []),
    ...(contents.length > 0 ? [`it holds what would go with it: ${shortList(contents)}`] : []),
  ];
}

async function registered(kube: KubeClient, selection: Selection, signal: AbortSignal): Promise<string[]> {
  try {
    const { items } = await listAll(kube, selection, { metadataAlone: true, signal });
    return items.map(({ metadata }) => metadata.name).sort();
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return []; // no Istio
    throw error;
  }
}

async function podsWithSidecar(kube: KubeClient, namespace: string, signal: AbortSignal): Promise<string[]> {
  const { items } = await listAll(kube, { resource: { apiVersion: "v1", kind: "Pod", resource: "pods" }, namespace }, {
    metadataAlone: true,
    signal,
  });
  return items.filter(({ metadata }) => metadata.annotations?.["sidecar.istio.io/status"] !== undefined)
    .map(({ metadata }) => metadata.name).sort();
}
