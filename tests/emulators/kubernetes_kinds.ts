/**
 * The kinds that an emulated API server serves, and how it tells of them.
 *
 * Wire facts: https://kubernetes.io/docs/reference/using-api/api-concepts/#aggregated-discovery
 */
import { type EmulatedAnswer, jsonAnswer } from "./http_server.ts";

/** What a path is about. */
export interface ObjectPath {
  /** Empty for the core group. */
  group: string;
  apiVersion: string;
  namespace?: string;
  /** Plural. */
  resource: string;
  name?: string;
}

interface ServedKind {
  kind: string;
  /** @default ["v1"] */
  versions?: readonly string[];
  /** @default true */
  namespaced?: boolean;
}

const ISTIO = ["v1", "v1beta1"];

/** `PLURAL[.GROUP]` → what it is. */
export const KINDS: Readonly<Record<string, ServedKind>> = {
  configmaps: { kind: "ConfigMap" },
  endpoints: { kind: "Endpoints" },
  events: { kind: "Event" },
  namespaces: { kind: "Namespace", namespaced: false },
  pods: { kind: "Pod" },
  secrets: { kind: "Secret" },
  serviceaccounts: { kind: "ServiceAccount" },
  services: { kind: "Service" },
  "deployments.apps": { kind: "Deployment" },
  "leases.coordination.k8s.io": { kind: "Lease" },
  "clusterroles.rbac.authorization.k8s.io": { kind: "ClusterRole", namespaced: false },
  "rolebindings.rbac.authorization.k8s.io": { kind: "RoleBinding" },
  "roles.rbac.authorization.k8s.io": { kind: "Role" },
  "httproutes.gateway.networking.k8s.io": { kind: "HTTPRoute" },
  "destinationrules.networking.istio.io": { kind: "DestinationRule", versions: ISTIO },
  "gateways.networking.istio.io": { kind: "Gateway", versions: ISTIO },
  "serviceentries.networking.istio.io": { kind: "ServiceEntry", versions: ISTIO },
  "sidecars.networking.istio.io": { kind: "Sidecar", versions: ISTIO },
  "virtualservices.networking.istio.io": { kind: "VirtualService", versions: ISTIO },
  "workloadentries.networking.istio.io": { kind: "WorkloadEntry", versions: ISTIO },
  "workloadgroups.networking.istio.io": { kind: "WorkloadGroup", versions: ISTIO },
  "peerauthentications.security.istio.io": { kind: "PeerAuthentication", versions: ISTIO },
};

export const qualified = ({ group, resource }: Pick<ObjectPath, "group" | "resource">) =>
  group ? `${resource}.${group}` : resource;

/**
 * `undefined` for a path of another form, or a kind that is not served.
 * @param missing names as {@link KINDS} has them, that are not served for now
 */
export function objectPath(pathname: string, missing: ReadonlySet<string>): ObjectPath | undefined {
  const found = /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))(?:\/namespaces\/([^/]+)(?=\/))?\/([a-z]+)(?:\/([^/]+))?$/.exec(
    pathname,
  );
  if (!found) return undefined;
  const [, core, group = "", version, namespace, resource = "", name] = found.map((part) =>
    part && decodeURIComponent(part)
  );
  const served = KINDS[qualified({ group, resource })];
  if (!served || missing.has(qualified({ group, resource }))) return undefined;
  if (!core && !(served.versions ?? ["v1"]).includes(version!)) return undefined;
  return {
    group,
    apiVersion: core ?? `${group}/${version}`,
    resource,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  };
}

const VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"];
const LIST_TYPE = "APIGroupDiscoveryList";

/** `/api` and `/apis` for who accepts all kinds in one answer, `/apis/GROUP/VERSION` for one group; `undefined` for others. */
export function answerDiscovery(
  pathname: string,
  accept: string | undefined,
  missing: ReadonlySet<string>,
): EmulatedAnswer | undefined {
  const [, oneGroup, oneVersion] = /^\/apis\/([^/]+)\/([^/]+)$/.exec(pathname) ?? [];
  if (oneGroup && oneVersion) return groupVersion(oneGroup, oneVersion, missing);
  if ((pathname !== "/api" && pathname !== "/apis") || !accept?.includes(`v=v2;as=${LIST_TYPE}`)) return undefined;
  const groups = new Map<string, Map<string, object[]>>();
  for (const [name, { kind, versions = ["v1"], namespaced = true }] of Object.entries(KINDS)) {
    const [resource = "", group = ""] = name.split(/\.(.*)/s);
    if ((group === "") !== (pathname === "/api") || missing.has(name)) continue;
    for (const version of versions) {
      const inGroup = groups.get(group) ?? new Map<string, object[]>();
      groups.set(group, inGroup);
      const resources = inGroup.get(version) ?? [];
      inGroup.set(version, resources);
      resources.push({
        resource,
        responseKind: { group, version, kind },
        scope: namespaced ? "Namespaced" : "Cluster",
        singularResource: kind.toLowerCase(),
        verbs: VERBS,
      });
    }
  }
  const items = [...groups].map(([name, versions]) => ({
    metadata: { ...(name ? { name } : {}), creationTimestamp: null },
    versions: [...versions].map(([version, resources]) => ({ version, resources, freshness: "Current" })),
  }));
  const list = { kind: LIST_TYPE, apiVersion: "apidiscovery.k8s.io/v2", metadata: {}, items };
  return jsonAnswer(200, list, { "content-type": `application/json;g=apidiscovery.k8s.io;v=v2;as=${LIST_TYPE}` });
}

/** An `APIResourceList`; `undefined` where nothing of the group is served in that version. */
function groupVersion(group: string, version: string, missing: ReadonlySet<string>): EmulatedAnswer | undefined {
  const resources = Object.entries(KINDS).flatMap(([name, { kind, versions = ["v1"], namespaced = true }]) => {
    const [resource = "", of] = name.split(/\.(.*)/s);
    if (of !== group || missing.has(name) || !versions.includes(version)) return [];
    return [{ name: resource, singularName: kind.toLowerCase(), namespaced, kind, verbs: VERBS }];
  });
  if (resources.length === 0) return undefined;
  const list = { kind: "APIResourceList", apiVersion: "v1", groupVersion: `${group}/${version}`, resources };
  return jsonAnswer(200, list);
}
