/** A namespace and an account that people made before anybody set the namespace up. */
import { VIEWER } from "../../lib/admin/namespace/google_goals.ts";
import { populate } from "../emulators/kubernetes_namespaces.ts";
import { type AdminWorld, PROJECT } from "./admin_world.ts";

export const EMAIL = `k8s-shop@${PROJECT}.iam.gserviceaccount.com`;
export const MEMBER = `serviceAccount:${EMAIL}`;

/** Puts a namespace as `kubectl create` and `kubectl label` would. */
export function putNamespace(world: AdminWorld, name: string, labels: Record<string, string> = {}): void {
  world.put("namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { "kubernetes.io/metadata.name": name, ...labels } },
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  }, "kubectl-create");
  populate(world.kubernetes.objects, name);
}

/** A namespace with a label, a Role and a ServiceAccount of the very names; the account, its role, and another's with a condition. */
export function lived(world: AdminWorld): void {
  putNamespace(world, "shop", { team: "web", "istio.io/rev": "canary" });
  const metadata = { name: `gsa-${PROJECT}`, namespace: "shop" };
  const rbac = "rbac.authorization.k8s.io";
  world.put("roles", {
    apiVersion: `${rbac}/v1`,
    kind: "Role",
    metadata,
    rules: [
      { apiGroups: [""], resources: ["serviceaccounts/token"], resourceNames: ["app"], verbs: ["create"] },
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["mesh-env"], verbs: ["get"] },
    ],
  }, "kubectl-client-side-apply");
  world.put("serviceaccounts", {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "app", namespace: "shop" },
  });
  world.put("deployments", { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: "shop" } });
  world.iam.add("k8s-shop", { description: "ours since 2021" });
  world.policy.edit((bindings) =>
    bindings.push(
      { role: "roles/owner", members: ["user:boss@example.com"] },
      { role: VIEWER, members: [MEMBER] },
      {
        role: VIEWER,
        members: ["user:temp@example.com"],
        condition: { title: "until", expression: "request.time < x" },
      },
    )
  );
}
