import { HttpError } from "../base/http.ts";
import { Problem } from "../base/errors.ts";
import { type KubeObject, type Resource, RESOURCES } from "../kube/mod.ts";

/**
 * What a 404 means for an object that is to be made: its kind is not served, or another object is missing, which the plan may make before:
 * its namespace, the Role of a RoleBinding. Kubernetes names the object, https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
 */
export function whatIsMissing(error: unknown): "another object" | "kind" | undefined {
  if (!(error instanceof HttpError) || error.status !== 404) return undefined;
  try {
    return JSON.parse(error.body)?.details?.name ? "another object" : "kind";
  } catch {
    return "kind"; // a group that nobody serves is "404 page not found" in plain text
  }
}

/** The cluster knows no objects of that kind, and what brings them. */
export function kindNotServed(
  { apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">,
  cause: HttpError,
): Problem {
  const resource = Object.values<Resource>(RESOURCES).find((known) => known.kind === kind)?.resource ?? kind;
  const group = apiVersion.split("/")[0]!;
  const check = `kubectl get crd ${resource}.${group}`;
  return new Problem({
    tried: cause.tried,
    got: `the cluster does not know ${kind} of ${apiVersion}`,
    fix: group.endsWith("istio.io")
      ? `install Istio 1.22 or newer (istioctl install); whether it is there says: ${check}`
      : group === "gateway.networking.k8s.io"
      ? `install the Gateway API, https://gateway-api.sigs.k8s.io/guides/; whether it is there says: ${check}`
      : check,
    cause,
  });
}
