/**
 * The life of namespaces on an emulated API server: what others put into a new one, what may be made in which, how one ends.
 *
 * Wire facts: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#namespacelifecycle
 */
import type { EmulatedAnswer } from "./http_server.ts";
import * as errors from "./kubernetes_status.ts";
import type { ObjectStore, StoredObject } from "./kubernetes_store.ts";

/** What the server itself adds to an object that is stored. */
export function withDefaults(resource: string, object: StoredObject): StoredObject {
  if (resource !== "namespaces") return object;
  const labels = { ...object.metadata["labels"] as object, "kubernetes.io/metadata.name": object.metadata.name };
  return {
    ...object,
    metadata: { ...object.metadata, labels },
    spec: object["spec"] ?? { finalizers: ["kubernetes"] },
    status: object["status"] ?? { phase: "Active" },
  };
}

/** The refusal to make an object in a namespace that is not there, or is going. */
export function lifecycleRefusal(
  store: ObjectStore,
  { namespace, kind, name, group }: { namespace: string; kind: string; name: string; group: string },
): EmulatedAnswer | undefined {
  const there = store.row("namespaces", undefined, namespace)?.object;
  if (!there) return errors.objectNotFound("namespaces", namespace);
  if (!there.metadata["deletionTimestamp"]) return undefined;
  const message =
    `${kind} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is ` +
    "being terminated";
  const causes = [{
    reason: "NamespaceTerminating",
    message: `namespace ${namespace} is being terminated`,
    field: "metadata.namespace",
  }];
  return errors.refused(message, { name, ...(group ? { group } : {}), kind, causes });
}

/** What controllers put into every namespace. */
export function populate(store: ObjectStore, namespace: string): void {
  const made = (apiVersion: string, kind: string, name: string, more: object = {}) => ({
    apiVersion,
    kind,
    metadata: { name, namespace },
    ...more,
  });
  store.put("serviceaccounts", made("v1", "ServiceAccount", "default"), "kube-controller-manager");
  store.put(
    "configmaps",
    made("v1", "ConfigMap", "kube-root-ca.crt", { data: { "ca.crt": "ROOT OF THE CLUSTER" } }),
    "kube-controller-manager",
  );
}

/** Takes a namespace away, all in it first. @param afterMs how long its end takes; 0 is at once */
export function terminate(store: ObjectStore, name: string, afterMs: number): void {
  const end = () => {
    for (const [resource, { metadata }] of store.all()) {
      if (metadata.namespace === name) store.delete(resource, name, metadata.name);
    }
    store.delete("namespaces", undefined, name);
  };
  if (afterMs === 0) return end();
  const row = store.row("namespaces", undefined, name)!;
  const deletionTimestamp = new Date().toISOString().replace(/\.\d+/, "");
  const metadata = { ...row.object.metadata, deletionTimestamp };
  store.write("namespaces", { ...row.object, metadata, status: { phase: "Terminating" } }, row.owners);
  setTimeout(end, afterMs);
}
