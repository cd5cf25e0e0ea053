import { HttpError } from "../../base/http.ts";
import { Problem } from "../../base/errors.ts";
import { type KubeClient, type KubeObject, listAll, namespacedKinds, type Resource } from "../../kube/mod.ts";
import { isOurs } from "../kube_goals.ts";

/** Kinds whose objects others make of others' objects, or of what happened. */
const DERIVED = new Set(["Endpoints", "EndpointSlice", "Event"]);
/** What Kubernetes, Istio and OpenShift put into every namespace. */
const DEFAULTS = new Set([
  "ServiceAccount/default",
  "ConfigMap/kube-root-ca.crt",
  "ConfigMap/istio-ca-crl",
  "ConfigMap/istio-ca-root-cert",
  "ConfigMap/openshift-service-ca.crt",
]);
const AT_ONCE = 8;

/**
 * What would go with a namespace beside what this program made and what every namespace has: `Deployment/web`, sorted.
 * @throws {Problem} something may not be looked at, and so nobody can tell
 */
export async function foreignContents(kube: KubeClient, namespace: string, signal: AbortSignal): Promise<string[]> {
  const { kinds, silent } = await namespacedKinds(kube, signal);
  if (silent.length > 0) {
    throw new Problem({
      tried: `see what is in namespace ${namespace}`,
      got: `the server of ${silent.join(", ")} does not answer`,
      fix: "kubectl get apiservices shows which; --force deletes the namespace with whatever is in it",
    });
  }
  const found: string[] = [];
  const queue = kinds.filter(({ kind }) => !DERIVED.has(kind));
  const worker = async () => {
    for (let kind = queue.shift(); kind; kind = queue.shift()) {
      for (const object of await metadataOf(kube, kind, namespace, signal)) {
        if (isForeign(object)) found.push(`${kind.kind}/${object.metadata.name}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found.sort();
}

/** `Deployment/a, Service/a, Secret/b and 3 more` */
export function shortList(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

function isForeign(object: KubeObject): boolean {
  const { name, annotations, ownerReferences } = object.metadata as KubeObject["metadata"] & {
    ownerReferences?: { controller?: boolean }[];
  };
  const isControlled = ownerReferences?.some(({ controller }) => controller) ?? false;
  const isTokenSecret = annotations?.["kubernetes.io/service-account.name"] !== undefined;
  return !isOurs(object) && !isControlled && !isTokenSecret && !DEFAULTS.has(`${object.kind}/${name}`);
}

async function metadataOf(
  kube: KubeClient,
  resource: Resource,
  namespace: string,
  signal: AbortSignal,
): Promise<KubeObject[]> {
  try {
    return (await listAll(kube, { resource, namespace }, { metadataAlone: true, signal })).items;
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    if (error.status === 404 || error.status === 405) return [];
    throw new Problem({
      tried: error.tried,
      got: error.got,
      fix: "grant that right; --force deletes the namespace with whatever is in it",
      cause: error,
    });
  }
}
