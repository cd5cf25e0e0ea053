import type { KubeObject } from "../../kube/mod.ts";
import { MANAGED_BY, MANAGED_BY_US } from "../../registration/mod.ts";
import type { NamespaceSettings } from "./settings.ts";

/** Where the gate writes mesh-env for all. */
export const ROOT_NAMESPACE = "istio-system";

const RBAC = "rbac.authorization.k8s.io";
const MESH_ENV_RULE = { apiGroups: [""], resources: ["configmaps"], resourceNames: ["mesh-env"], verbs: ["get"] };

/** What lets krun join the mesh from outside as a service account of the namespace, in the order in which it is made. */
export function namespaceObjects(
  settings: NamespaceSettings,
  { hasRootNamespace }: { hasRootNamespace: boolean },
): KubeObject[] {
  const { namespace, serviceAccount, google } = settings;
  const name = roleName(settings);
  const labels = { [MANAGED_BY]: MANAGED_BY_US };
  const inNamespace = { name, namespace, labels };
  const inRoot = { name: rootRoleName(settings), namespace: ROOT_NAMESPACE, labels };
  return [
    ...rightsOf(settings, inNamespace, [
      {
        apiGroups: [""],
        resources: ["serviceaccounts/token"],
        resourceNames: [serviceAccount],
        verbs: ["create"],
      },
      MESH_ENV_RULE,
    ]),
    ...(hasRootNamespace ? rightsOf(settings, inRoot, [MESH_ENV_RULE]) : []),
    ...(google
      ? [{
        apiVersion: "networking.istio.io/v1",
        kind: "WorkloadGroup",
        metadata: inNamespace,
        spec: {
          metadata: {
            labels: { "cr-google-service-account": accountLabel(google.email, google.project) },
            annotations: { "security.cloud.google.com/IdentityProvider": "google" },
          },
          template: { serviceAccount: google.email },
        },
      }]
      : []),
  ];
}

/** A service account of another name than the one that Kubernetes makes in every namespace. */
export function serviceAccountObject({ namespace, serviceAccount }: NamespaceSettings): KubeObject {
  const labels = { [MANAGED_BY]: MANAGED_BY_US };
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: serviceAccount, namespace, labels } };
}

function rightsOf({ user }: NamespaceSettings, metadata: KubeObject["metadata"], rules: object[]): KubeObject[] {
  const apiVersion = `${RBAC}/v1`;
  return [
    { apiVersion, kind: "Role", metadata, rules },
    {
      apiVersion,
      kind: "RoleBinding",
      metadata,
      roleRef: { apiGroup: RBAC, kind: "Role", name: metadata.name },
      subjects: [{ apiGroup: RBAC, kind: "User", name: user }],
    },
  ];
}

/** `gsa-PROJECT`, as the original; the old form of a project's name, `example.com:p`, has letters that names of objects have not. */
function roleName({ google }: NamespaceSettings): string {
  return google ? `gsa-${google.project.replaceAll(":", "-")}` : "krun";
}

/** Each namespace has its own in istio-system, so that one can go without the others. */
function rootRoleName({ namespace }: NamespaceSettings): string {
  return `krun-${namespace}`;
}

/** `k8s-NS.PROJECT` as a label's value, which has 63 letters at most. */
function accountLabel(email: string, project: string): string {
  return `${email.split("@")[0]}.${project.replaceAll(":", "-")}`.slice(0, 63).replace(/[^a-z0-9]+$/i, "");
}
