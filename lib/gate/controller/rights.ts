/** A rule of RBAC and what it is for; manifests/hgate has these and no more. */
export interface Rule {
  /** Where it is granted: everywhere (ClusterRole), or in the gate's own namespace (Role). */
  scope: "cluster" | "namespace";
  group: "" | "coordination.k8s.io" | "networking.istio.io" | "security.istio.io";
  resources: readonly string[];
  verbs: readonly string[];
  /** Only objects of these names; a list or watch then has to select one by `metadata.name`. */
  names?: readonly string[];
  /** What does not work without it. */
  why: string;
}

const READ = ["list", "watch"] as const;
const WRITE = ["create", "patch", "delete"] as const;

/** Every right that hgate uses. */
export const RULES: readonly Rule[] = [
  // every replica: routes
  { scope: "cluster", group: "", resources: ["namespaces"], verbs: READ, why: "which namespaces opted in" },
  { scope: "cluster", group: "", resources: ["services"], verbs: READ, why: "registered services" },
  {
    scope: "cluster",
    group: "networking.istio.io",
    resources: ["workloadentries", "serviceentries", "destinationrules"],
    verbs: READ,
    why: "registered services: their URLs, hosts and subsets",
  },
  // the replica that leads
  {
    scope: "namespace",
    group: "coordination.k8s.io",
    resources: ["leases"],
    verbs: ["create"],
    why: "the first leader",
  },
  {
    scope: "namespace",
    group: "coordination.k8s.io",
    resources: ["leases"],
    verbs: ["get", "update"],
    names: ["hgate"],
    why: "who leads",
  },
  { scope: "namespace", group: "", resources: ["configmaps"], verbs: ["create"], why: "the first mesh-env" },
  {
    scope: "namespace",
    group: "",
    resources: ["configmaps"],
    verbs: ["list", "watch", "patch"],
    names: ["mesh-env"],
    why: "mesh-env",
  },
  {
    scope: "namespace",
    group: "",
    resources: ["configmaps"],
    verbs: READ,
    names: ["istio-ca-root-cert"],
    why: "the root in mesh-env",
  },
  // auto-registration
  {
    scope: "cluster",
    group: "",
    resources: ["configmaps"],
    verbs: READ,
    names: ["cloud-run-services"],
    why: "services to register",
  },
  {
    scope: "cluster",
    group: "",
    resources: ["services"],
    verbs: ["get", ...WRITE],
    why: "Services of what is registered",
  },
  {
    scope: "cluster",
    group: "networking.istio.io",
    resources: ["workloadentries", "destinationrules"],
    verbs: WRITE,
    why: "the gate as an endpoint, mTLS to it",
  },
  {
    scope: "cluster",
    group: "networking.istio.io",
    resources: ["sidecars"],
    verbs: [...READ, ...WRITE],
    why: "what the workload listens on",
  },
  {
    scope: "cluster",
    group: "security.istio.io",
    resources: ["peerauthentications"],
    verbs: [...READ, ...WRITE],
    why: "mTLS alone on 15003",
  },
  { scope: "cluster", group: "", resources: ["events"], verbs: ["create"], why: "says why one is not registered" },
];

/** ClusterRole and Role of these rules, as manifests/hgate has them. */
export function roles(name: string, namespace: string, all: readonly Rule[] = RULES): object[] {
  const rules = (scope: Rule["scope"]) =>
    all.filter((rule) => rule.scope === scope).map(({ group, resources, verbs, names }) => ({
      apiGroups: [group],
      resources: [...resources],
      ...(names ? { resourceNames: [...names] } : {}),
      verbs: [...verbs],
    }));
  const apiVersion = "rbac.authorization.k8s.io/v1";
  return [
    { apiVersion, kind: "ClusterRole", metadata: { name }, rules: rules("cluster") },
    { apiVersion, kind: "Role", metadata: { name, namespace }, rules: rules("namespace") },
  ];
}
