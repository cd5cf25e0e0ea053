import { Problem } from "../../base/errors.ts";
import { pause } from "../../base/pause.ts";
import { get, type KubeClient, type KubeObject, remove, RESOURCES } from "../../kube/mod.ts";
import { isOurs, kubeObject, kubeObjectGone } from "../kube_goals.ts";
import type { Change, Goal } from "../step.ts";

/** A ServiceAccount is there; one that a person made is not touched. */
export function serviceAccountMade(kube: KubeClient, object: KubeObject): Goal {
  const made = kubeObject(kube, object);
  return {
    ...made,
    async plan(signal) {
      const { namespace, name } = object.metadata;
      const seen = await get(kube, RESOURCES.ServiceAccount, namespace, name, signal);
      return seen && !isOurs(seen) ? undefined : await made.plan(signal);
    },
  };
}

/** The namespace is gone and all in it, if this program made it; else it has no label of this program any more. */
export function namespaceGone(kube: KubeClient, namespace: string, { timeoutMs }: { timeoutMs: number }): Goal {
  const bare = { kind: "Namespace", metadata: { name: namespace } };
  const unlabelled = kubeObjectGone(kube, bare);
  return {
    ...unlabelled,
    async plan(signal): Promise<Change | undefined> {
      const seen = await get(kube, RESOURCES.Namespace, undefined, namespace, signal);
      if (!seen || !isOurs(seen)) return await unlabelled.plan(signal);
      return {
        action: "delete",
        differences: [],
        async apply(signal) {
          if (!isGoing(seen)) await remove(kube, seen, signal);
          await waitUntilGone(kube, seen, { timeoutMs, signal });
        },
      };
    },
  };
}

/** It was deleted, and what is in it is being taken away. */
export function isGoing({ metadata }: KubeObject): boolean {
  return "deletionTimestamp" in metadata;
}

async function waitUntilGone(
  kube: KubeClient,
  { metadata: { name, uid } }: KubeObject,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (let waitMs = 50;; waitMs = Math.min(waitMs * 2, 2_000)) {
    const seen = await get(kube, RESOURCES.Namespace, undefined, name, signal);
    if (!seen || seen.metadata.uid !== uid || !isGoing(seen)) return;
    if (performance.now() + waitMs > end) {
      throw new Problem({
        tried: `delete Namespace ${name}`,
        got: `it is still going after ${timeoutMs / 1_000} s${whyNot(seen)}`,
        fix: `kubectl get namespace ${name} -o yaml says what it waits for; run this again, with a longer --timeout`,
      });
    }
    await pause(waitMs, signal);
  }
}

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/namespace-v1/#NamespaceStatus */
function whyNot(namespace: KubeObject): string {
  const { conditions = [] } = (namespace["status"] ?? {}) as { conditions?: { status?: string; message?: string }[] };
  const words = conditions.filter(({ status }) => status === "True").map(({ message }) => message).filter(Boolean);
  return words.length > 0 ? `: ${words.join("; ")}` : "";
}
