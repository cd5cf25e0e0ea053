import * as v from "valibot";

/** What every object of the API has; fields beside these are read by who knows the kind. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/ */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  /** Opaque, but equal means unchanged. */
  resourceVersion?: string;
  /** RFC 3339, to the second. */
  creationTimestamp?: string;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  managedFields?: readonly ManagedFields[];
}

/** What one manager owns of an object, https://kubernetes.io/docs/reference/using-api/server-side-apply/. */
export interface ManagedFields {
  manager?: string;
  operation?: string;
  /** `status`, where it was written by itself. */
  subresource?: string;
  fieldsV1?: unknown;
}

/** Where objects of a kind are served. */
export interface Resource {
  /** `v1`, `networking.istio.io/v1` */
  apiVersion: string;
  kind: string;
  /** Lower case plural. */
  resource: string;
  /** @default {true} */
  namespaced?: boolean;
}

const core = (kind: string, resource: string): Resource => ({ apiVersion: "v1", kind, resource });
const istio = (kind: string, resource: string, group = "networking"): Resource => ({
  apiVersion: `${group}.istio.io/v1`,
  kind,
  resource,
});

/** Every kind that this program reads or writes. */
export const RESOURCES = {
  ConfigMap: core("ConfigMap", "configmaps"),
  Event: core("Event", "events"),
  Namespace: { ...core("Namespace", "namespaces"), namespaced: false },
  Pod: core("Pod", "pods"),
  Service: core("Service", "services"),
  ServiceAccount: core("ServiceAccount", "serviceaccounts"),
  Role: { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", resource: "roles" },
  RoleBinding: { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", resource: "rolebindings" },
  HTTPRoute: { apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", resource: "httproutes" },
  DestinationRule: istio("DestinationRule", "destinationrules"),
  PeerAuthentication: istio("PeerAuthentication", "peerauthentications", "security"),
  ServiceEntry: istio("ServiceEntry", "serviceentries"),
  Sidecar: istio("Sidecar", "sidecars"),
  VirtualService: istio("VirtualService", "virtualservices"),
  WorkloadEntry: istio("WorkloadEntry", "workloadentries"),
  WorkloadGroup: istio("WorkloadGroup", "workloadgroups"),
  Lease: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", resource: "leases" },
} as const satisfies Record<string, Resource>;

export type Kind = keyof typeof RESOURCES;

/** `/apis/networking.istio.io/v1/namespaces/prod/sidecars/web`; without a name the collection, without a namespace all of them. */
export function pathOf(resource: Resource, namespace?: string, name?: string): string {
  const group = resource.apiVersion.includes("/") ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const place = namespace && resource.namespaced !== false ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${group}${place}/${resource.resource}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

/** `Sidecar prod/web`, for people. */
export function nameOf({ kind, metadata }: Pick<KubeObject, "kind" | "metadata">): string {
  return `${kind} ${keyOf(metadata)}`;
}

/** `prod/web`; `web` where there is no namespace. */
export function keyOf({ namespace, name }: Pick<ObjectMeta, "namespace" | "name">): string {
  return namespace ? `${namespace}/${name}` : name;
}

/** `undefined` where the object has none of that name. */
export function annotation({ metadata: { annotations } }: KubeObject, key: string): string | undefined {
  return annotations && Object.hasOwn(annotations, key) ? annotations[key] : undefined;
}

/** `undefined` where the object has none of that name. */
export function label({ metadata: { labels } }: KubeObject, key: string): string | undefined {
  return labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

const text = v.optional(v.string());
const texts = v.optional(v.record(v.string(), v.string()));

/** What must hold of an answer before anything else is read from it. */
export const AnyObject = v.looseObject({
  metadata: v.looseObject({
    name: v.string(),
    namespace: text,
    uid: text,
    resourceVersion: text,
    creationTimestamp: v.optional(v.nullable(v.string())),
    labels: texts,
    annotations: texts,
    managedFields: v.optional(v.array(v.looseObject({ manager: text, operation: text, subresource: text }))),
  }),
});

/** An answer's object with the kind it was asked for as; lists leave both words out. */
export function asObject(resource: Resource, value: v.InferOutput<typeof AnyObject>): KubeObject {
  return { ...value, apiVersion: resource.apiVersion, kind: resource.kind } as unknown as KubeObject;
}
