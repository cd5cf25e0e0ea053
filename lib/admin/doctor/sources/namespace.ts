import { UsageError } from "../../../base/errors.ts";
import { get, listAll, RESOURCES } from "../../../kube/mod.ts";
import { SERVICES_CONFIG_MAP } from "../../../registration/mod.ts";
import { namespaceOfAccount, type Settings } from "../../../settings/mod.ts";
import { source } from "../source.ts";
import { textAt } from "../spec.ts";

/** As it is said; else the workload's own, else that which the service's account is named after. */
export const namespace = source<"namespace", never, "cluster" | "run" | "credentials">({
  label: "--namespace NS",
  wants: ["cluster", "run", "credentials"],
  look({ cluster, run, credentials }, outside) {
    const own = outside.place === "krun" ? namespaceOfAccount(credentials?.account) : undefined;
    const found = outside.namespace ?? said(cluster?.settings) ?? said(outside.settings) ??
      namespaceOfAccount(run?.serviceAccount) ?? own;
    if (found) return Promise.resolve(found);
    throw new UsageError({
      tried: "find the namespace",
      got: "neither the command line nor the service's account says it",
      fix: "--namespace NS",
    });
  },
});

export const workload = source<"workload", never, "cluster" | "run" | "credentials" | "registration">({
  label: "the workload's account",
  wants: ["cluster", "run", "credentials", "registration"],
  look({ cluster, run, credentials, registration }, { place, settings }) {
    const [entry] = registration?.entries ?? [];
    return Promise.resolve({
      account: place === "krun" ? credentials?.account : run?.serviceAccount,
      serviceAccount: cluster?.settings?.serviceAccount ?? settings?.serviceAccount ??
        (entry && textAt(entry, "spec", "serviceAccount")) ?? "default",
    });
  },
});

export const namespaceObject = source<"namespaceObject", "cluster" | "version" | "namespace">({
  label: "the namespace",
  needs: ["cluster", "version", "namespace"],
  look: ({ cluster: { kube }, namespace }, _outside, signal) =>
    get(kube, RESOURCES.Namespace, undefined, namespace, signal),
});

export const serviceAccount = source<"serviceAccount", "cluster" | "version" | "namespace" | "workload">({
  label: "its service account",
  needs: ["cluster", "version", "namespace", "workload"],
  look: ({ cluster: { kube }, namespace, workload }, _outside, signal) =>
    get(kube, RESOURCES.ServiceAccount, namespace, workload.serviceAccount, signal),
});

export const roles = source<"roles", "cluster" | "version" | "namespace">({
  label: "its Roles",
  needs: ["cluster", "version", "namespace"],
  look: async ({ cluster: { kube }, namespace }, _outside, signal) =>
    (await listAll(kube, { resource: RESOURCES.Role, namespace }, { signal })).items,
});

export const roleBindings = source<"roleBindings", "cluster" | "version" | "namespace">({
  label: "its RoleBindings",
  needs: ["cluster", "version", "namespace"],
  look: async ({ cluster: { kube }, namespace }, _outside, signal) =>
    (await listAll(kube, { resource: RESOURCES.RoleBinding, namespace }, { signal })).items,
});

export const servicesToRegister = source<"hasServicesToRegister", "cluster" | "version" | "namespace">({
  label: `config map ${SERVICES_CONFIG_MAP}`,
  needs: ["cluster", "version", "namespace"],
  look: async ({ cluster: { kube }, namespace }, _outside, signal) =>
    Object.keys(await kube.configMap(namespace, SERVICES_CONFIG_MAP, { signal }) ?? {}).length > 0,
});

/** The namespace that a setting says, where it is more than a default. */
function said(settings: Settings | undefined): string | undefined {
  return settings && settings.from["WORKLOAD_NAMESPACE"]?.source !== "default" ? settings.namespace : undefined;
}
