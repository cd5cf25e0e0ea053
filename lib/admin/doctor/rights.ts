import { GATE_NAMESPACE } from "../../registration/mod.ts";

/** One verb on one kind of object, as an access review asks for it. */
export interface Right {
  verb: string;
  /** Empty for the core group. */
  group: string;
  /** Plural. */
  resource: string;
  subresource?: string | undefined;
  /** Empty for every namespace, or for what has none. */
  namespace: string;
  name?: string | undefined;
}

const NETWORKING = "networking.istio.io";
const SECURITY = "security.istio.io";
const RBAC = "rbac.authorization.k8s.io";
const GATEWAY = "gateway.networking.k8s.io";
/** Of what is applied: read, made by a patch where it is not there (which needs `create` too), changed. */
const APPLY = ["get", "create", "patch"] as const;

/**
 * What setup-namespace does. Who grants a right has to hold it (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping):
 * the workload's own are among them.
 */
export function setupRights(namespace: string, serviceAccount: string): Right[] {
  return [
    ...rights(APPLY, "", "namespaces", namespace, namespace),
    ...rights(["get"], "", "namespaces", GATE_NAMESPACE, GATE_NAMESPACE),
    ...rights(APPLY, "", "configmaps", namespace), // what was made is noted there
    ...rights(APPLY, "", "serviceaccounts", namespace),
    ...[namespace, GATE_NAMESPACE].flatMap((place) => [
      ...rights(APPLY, RBAC, "roles", place),
      ...rights(APPLY, RBAC, "rolebindings", place),
    ]),
    ...rights(APPLY, NETWORKING, "workloadgroups", namespace),
    ...workloadRights(namespace, serviceAccount),
  ];
}

/** What register-service and unregister-service do. */
export function registerRights(namespace: string): Right[] {
  const verbs = [...APPLY, "list", "delete"];
  return [
    ...rights(["get"], "", "namespaces", namespace, namespace),
    ...rights(["get"], "", "services", GATE_NAMESPACE),
    ...rights(["get"], "", "serviceaccounts", GATE_NAMESPACE),
    ...rights(["list"], "", "pods", GATE_NAMESPACE),
    ...rights(verbs, "", "services", namespace),
    ...rights(verbs, NETWORKING, "workloadentries", namespace),
    ...rights(verbs, NETWORKING, "destinationrules", namespace),
    ...rights(verbs, NETWORKING, "sidecars", namespace),
    ...rights(verbs, SECURITY, "peerauthentications", namespace),
    ...rights(["list"], NETWORKING, "virtualservices", namespace),
    ...rights(["list"], GATEWAY, "httproutes", namespace),
  ];
}

/** What a container does as its Google account: a token of its service account, and mesh-env from either place. */
export function workloadRights(namespace: string, serviceAccount: string): Right[] {
  return [
    { verb: "create", group: "", resource: "serviceaccounts", subresource: "token", namespace, name: serviceAccount },
    { verb: "get", group: "", resource: "configmaps", namespace, name: "mesh-env" },
    { verb: "get", group: "", resource: "configmaps", namespace: GATE_NAMESPACE, name: "mesh-env" },
  ];
}

/** `create serviceaccounts/token default in shop`, for people. */
export function describeRight({ verb, resource, subresource, namespace, name }: Right): string {
  const what = `${resource}${subresource ? `/${subresource}` : ""}`;
  return `${verb} ${what}${name ? ` ${name}` : ""}${namespace ? ` in ${namespace}` : ""}`;
}

/** Commands that grant what is missing and no verb more: a ClusterRole for each set of verbs, since kubectl makes them of one rule. */
export function grantCommand(missing: readonly Right[], role: string, user: string): string {
  const verbs = new Map<string, Set<string>>();
  for (const { verb, group, resource, subresource } of missing) {
    const full = `${resource}${group ? `.${group}` : ""}${subresource ? `/${subresource}` : ""}`;
    verbs.set(full, (verbs.get(full) ?? new Set()).add(verb));
  }
  const byVerbs = Map.groupBy([...verbs], ([, all]) => [...all].sort().join());
  return [...byVerbs].map(([list, resources], at) => {
    const name = at === 0 ? role : `${role}-${at + 1}`;
    return `kubectl create clusterrole ${name} --verb=${list} --resource=${
      resources.map(([full]) => full).join()
    } && ` +
      `kubectl create clusterrolebinding ${name} --clusterrole=${name} --user=${user}`;
  }).join(" && ");
}

function rights(verbs: readonly string[], group: string, resource: string, namespace: string, name?: string): Right[] {
  return verbs.map((verb) => ({ verb, group, resource, namespace, ...(name ? { name } : {}) }));
}
