import { keysOfOthers, type KubeObject } from "../../kube/mod.ts";
import { AUTO_REGISTRATION_LABEL, MANAGED_BY, MANAGED_BY_US } from "../../registration/mod.ts";

/** https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/ */
const INJECTION = "istio-injection";
const REVISION = "istio.io/rev";

/** The Namespace as it is to be applied, and where a person wants it otherwise. */
export interface NamespaceLabels {
  object: KubeObject;
  warnings: string[];
}

/**
 * Labels that a person has set stay, whatever they say; the others become ours.
 * @param seen the namespace, where it is there
 */
export function namespaceObject(
  namespace: string,
  revision: string | undefined,
  seen: KubeObject | undefined,
): NamespaceLabels {
  const theirs = seen ? keysOfOthers(seen, ["metadata", "labels"]) : new Set<string>();
  const there = (key: string) => theirs.has(key) ? seen!.metadata.labels?.[key] : undefined;
  const warnings: string[] = [];
  const labels: Record<string, string> = { [MANAGED_BY]: MANAGED_BY_US };
  const [key, value] = revision === undefined ? [INJECTION, "enabled"] as const : [REVISION, revision] as const;
  const injection = [INJECTION, REVISION].flatMap((key) =>
    there(key) === undefined ? [] : [[key, there(key)!] as const]
  );
  if (injection.length === 0) labels[key] = value;
  else if (injection.length > 1 || injection[0]![0] !== key || injection[0]![1] !== value) {
    const said = injection.map(([key, value]) => `${key}=${value}`).join(" and ");
    const off = injection.map(([key]) => `${key}-`).join(" ");
    warnings.push(
      `namespace ${namespace} has ${said} by somebody else, and keeps it; ${key}=${value} was asked for: ` +
        `kubectl label namespace ${namespace} ${off}, then run this again`,
    );
  }
  const registration = there(AUTO_REGISTRATION_LABEL);
  if (registration === undefined) labels[AUTO_REGISTRATION_LABEL] = "enabled";
  else if (registration !== "enabled") {
    warnings.push(
      `namespace ${namespace} has ${AUTO_REGISTRATION_LABEL}=${registration} by somebody else: the gate registers nothing by itself there`,
    );
  }
  return { object: { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } }, warnings };
}

/** Whether pods of the namespace get sidecars by this program's label, and by no other's. */
export function injectsByUs(seen: KubeObject): boolean {
  const theirs = keysOfOthers(seen, ["metadata", "labels"]);
  return [INJECTION, REVISION].some((key) => seen.metadata.labels?.[key] !== undefined) &&
    ![INJECTION, REVISION].some((key) => theirs.has(key));
}
