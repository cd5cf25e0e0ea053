import type { KubeObject } from "../../../kube/mod.ts";
import { AUTO_REGISTRATION_LABEL, SERVICES_CONFIG_MAP } from "../../../registration/mod.ts";
import { type About, check } from "../check.ts";
import type { Facts } from "../facts.ts";
import { fail, pass, skip, type Verdict, warn } from "../finding.ts";
import { describeRight, type Right } from "../rights.ts";
import { listAt, textAt, textsAt } from "../spec.ts";

const isFor = ({ place, namespace, service }: About) =>
  place === "krun" || namespace !== undefined || service !== undefined;

const setUp = (namespace: string, account?: string) =>
  `cloud-run-mesh setup-namespace ${namespace}${account ? ` --service-account ${account}` : ""}`;

export const NAMESPACE = [
  check("namespace.known", "the namespace is known", {
    needs: ["namespace"],
    owns: ["namespace"],
    explainedBy: ["account.credentials", "account.token", "cluster.reachable", "service.exists"],
    isFor,
    decide: ({ namespace }) => pass(namespace),
  }),
  check("namespace.exists", "it exists", {
    needs: ["namespace", "namespaceObject"],
    owns: ["namespaceObject"],
    mend: "kubectl get namespaces",
    isFor,
    decide({ namespace, namespaceObject }, about) {
      const other = about.namespace === undefined ? ", or --namespace NS where it has another name" : "";
      if (!namespaceObject) return fail(`no namespace ${namespace}`, `${setUp(namespace)}${other}`);
      const phase = textAt(namespaceObject, "status", "phase") ?? "Active";
      return phase === "Active" ? pass(phase) : fail(`it is ${phase}`, setUp(namespace));
    },
  }),
  check("namespace.injection", "its pods get a sidecar", {
    needs: ["namespace", "namespaceObject"],
    after: ["namespace.exists"],
    isFor,
    decide: ({ namespace, namespaceObject }) => injectionVerdict(namespace, namespaceObject?.metadata.labels ?? {}),
  }),
  check("namespace.auto-registration", "its services are registered as they ask", {
    needs: ["namespace", "namespaceObject"],
    wants: ["hasServicesToRegister"],
    after: ["namespace.exists"],
    isFor,
    decide({ namespace, namespaceObject, hasServicesToRegister }) {
      const label = namespaceObject?.metadata.labels?.[AUTO_REGISTRATION_LABEL];
      const fix = `kubectl label --overwrite namespace ${namespace} ${AUTO_REGISTRATION_LABEL}=enabled`;
      if (label === "enabled") return pass("by the gate");
      if (label !== undefined) return warn(`${AUTO_REGISTRATION_LABEL} is "${label}", which is not enabled`, fix);
      if (hasServicesToRegister) return warn(`config map ${SERVICES_CONFIG_MAP} is there, and not heeded`, fix);
      return pass("by register-service alone");
    },
  }),
  check("namespace.account", "it has the workload's service account", {
    needs: ["namespace", "workload", "serviceAccount"],
    owns: ["serviceAccount"],
    after: ["namespace.exists"],
    mend: "kubectl get serviceaccounts",
    isFor,
    decide: ({ namespace, workload, serviceAccount }) =>
      serviceAccount
        ? pass(workload.serviceAccount)
        : fail(`no service account ${workload.serviceAccount}`, setUp(namespace, workload.account)),
  }),
  check("namespace.role", "a Role grants tokens of it, and mesh-env", {
    needs: ["namespace", "workload", "roles"],
    wants: ["workloadRights"],
    owns: ["roles"],
    after: ["namespace.exists"],
    mend: "kubectl get roles",
    isFor,
    decide({ namespace, workload, roles, workloadRights }) {
      const tokenRoles = roles.filter((role) => grants(role, tokenRight(workload.serviceAccount)));
      if (tokenRoles.length === 0) {
        if (mayHaveToken(workloadRights)) return pass(OTHERWISE);
        return fail("none grants create serviceaccounts/token", setUp(namespace, workload.account));
      }
      const whole = tokenRoles.find((role) => grants(role, MESH_ENV_RIGHT));
      if (whole) return pass(`Role ${whole.metadata.name}`);
      return warn(`Role ${tokenRoles[0]!.metadata.name} does not grant get configmaps mesh-env`, setUp(namespace));
    },
  }),
  check("namespace.binding", "it is bound to the workload's Google account", {
    needs: ["namespace", "workload", "roles", "roleBindings"],
    wants: ["workloadRights"],
    owns: ["roleBindings"],
    after: ["namespace.exists", "namespace.role"],
    mend: "kubectl get rolebindings",
    isFor,
    decide({ namespace, workload, roles, roleBindings, workloadRights }) {
      const verdict = bindingVerdict(namespace, workload, roles, roleBindings);
      return verdict.state === "fail" && mayHaveToken(workloadRights) ? pass(OTHERWISE) : verdict;
    },
  }),
  check("rights.workload", "the workload may get its token and mesh-env", {
    needs: ["namespace", "workload", "workloadRights"],
    owns: ["workloadRights"],
    after: ["service.exists"],
    explainedBy: ["namespace.exists", "namespace.account", "namespace.role", "namespace.binding"],
    mend: "kubectl auth can-i --list",
    isFor: ({ place, service }) => place === "krun" || service !== undefined,
    decide({ namespace, workload: { account }, workloadRights }) {
      if (!workloadRights) return skip("the service's account is not known");
      const missing = workloadRights.filter(({ isAllowed }) => !isAllowed);
      const copies = missing.filter(({ resource }) => resource === "configmaps");
      const needed = missing.filter(({ resource }) => resource !== "configmaps");
      if (needed.length > 0 || copies.length > 1) {
        return fail(`${account ?? "it"} may not ${missing.map(describeRight).join(", ")}`, setUp(namespace, account));
      }
      return pass(copies.length > 0 ? `all but mesh-env of ${copies[0]!.namespace}` : "both copies of mesh-env too");
    },
  }),
];

const OTHERWISE = "by none here; the cluster grants it otherwise";

/** The authorizer's word, whatever grants it. */
function mayHaveToken(rights: Facts["workloadRights"]): boolean {
  return rights?.some(({ subresource, isAllowed }) => subresource === "token" && isAllowed) ?? false;
}

function injectionVerdict(namespace: string, labels: Readonly<Record<string, string>>): Verdict {
  const injection = labels["istio-injection"];
  const revision = labels["istio.io/rev"];
  const fix = `kubectl label --overwrite namespace ${namespace} istio-injection=enabled`;
  if (injection === "enabled" && revision) {
    return warn(
      `istio-injection wins over istio.io/rev=${revision}`,
      `kubectl label namespace ${namespace} istio.io/rev-`,
    );
  }
  if (injection === "enabled") return pass("istio-injection=enabled");
  if (injection !== undefined) return warn(`istio-injection=${injection}`, fix);
  return revision ? pass(`istio.io/rev=${revision}`) : warn("neither istio-injection nor istio.io/rev", fix);
}

const tokenRight = (name: string): Omit<Right, "namespace"> => ({
  verb: "create",
  group: "",
  resource: "serviceaccounts",
  subresource: "token",
  name,
});
const MESH_ENV_RIGHT = { verb: "get", group: "", resource: "configmaps", name: "mesh-env" };

/** Whether a rule of the Role covers it, https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources. */
export function grants(role: KubeObject, right: Omit<Right, "namespace">): boolean {
  const { verb, group, resource, subresource, name } = right;
  const full = subresource ? `${resource}/${subresource}` : resource;
  return listAt(role, "rules").some((rule) => {
    const has = (field: string, ...words: string[]) => {
      const said = textsAt(rule, field);
      return said.includes("*") || words.some((word) => said.includes(word));
    };
    const names = textsAt(rule, "resourceNames");
    const resources = subresource ? [full, `*/${subresource}`] : [full];
    return has("verbs", verb) && has("apiGroups", group) && has("resources", ...resources) &&
      (names.length === 0 || names.includes(name ?? ""));
  });
}

function bindingVerdict(
  namespace: string,
  { account, serviceAccount }: Facts["workload"],
  roles: readonly KubeObject[],
  bindings: readonly KubeObject[],
): Verdict {
  const names = roles.filter((role) => grants(role, tokenRight(serviceAccount))).map(({ metadata }) => metadata.name);
  const ours = bindings.filter((binding) => {
    const [kind, name] = [textAt(binding, "roleRef", "kind"), textAt(binding, "roleRef", "name")];
    return kind === "Role" && names.includes(name ?? "");
  });
  const subjects = ours.flatMap((binding) =>
    listAt(binding, "subjects").map((subject) => textAt(subject, "name") ?? "")
  );
  const users = [...new Set(subjects)];
  if (account === undefined && users.length > 0) return pass(users.join(", "));
  if (account !== undefined && users.includes(account)) return pass(account);
  const seen = users.length > 0 ? `bound to ${users.join(", ")}` : "not bound";
  return fail(`${seen}${account ? `, the service runs as ${account}` : ""}`, setUp(namespace, account));
}
