import { HttpError } from "../../base/http.ts";
import {
  annotation,
  type KubeClient,
  type KubeObject,
  label,
  listAll,
  nameOf,
  type Resource,
  RESOURCES,
} from "../../kube/mod.ts";
import {
  type CloudRunName,
  fullServiceName,
  parseServiceName,
  PART_OF,
  REGISTERED,
  SERVICE_ANNOTATION,
} from "../../registration/mod.ts";
import { isOurs } from "../kube_goals.ts";
import * as v from "valibot";

/** A Service by its name. */
export interface ServiceName {
  name: string;
  namespace: string;
}

/**
 * Routes by others' hands that lead to or from one of the Services: `VirtualService shop/web`.
 * @returns also where it could not be looked
 */
export async function routesThatUse(
  kube: KubeClient,
  services: readonly ServiceName[],
  clusterDomain: string,
  signal?: AbortSignal,
): Promise<{ users: string[]; warnings: string[] }> {
  const namespace = services[0]?.namespace ?? "";
  const kinds = [RESOURCES.VirtualService, RESOURCES.HTTPRoute];
  const found = await Promise.all(kinds.map((resource) => everywhere(kube, resource, namespace, signal)));
  const users = found.flatMap(({ items }) => items)
    .filter((object) => !isOurs(object))
    .filter((object) => services.some((service) => refersTo(object, service, clusterDomain)));
  return { users: users.map(nameOf), warnings: found.flatMap(({ warning }) => warning ?? []) };
}

/** Other registrations of a Cloud Run service: `Service dev/web`. */
export async function registrationsOf(
  kube: KubeClient,
  cloudRun: CloudRunName,
  except: ServiceName,
  signal?: AbortSignal,
): Promise<string[]> {
  const full = fullServiceName(cloudRun);
  const { items } = await everywhere(kube, RESOURCES.Service, except.namespace, signal, REGISTERED);
  const isOther = (service: KubeObject) =>
    service.metadata.namespace !== except.namespace ||
    (service.metadata.name !== except.name && label(service, PART_OF) !== except.name);
  return items.filter((service) => {
    const said = parseServiceName(annotation(service, SERVICE_ANNOTATION) ?? "", cloudRun);
    return isOther(service) && said !== undefined && fullServiceName(said) === full;
  }).map(nameOf);
}

/** Objects of every namespace; where that is not allowed, of one. A kind that is not served has none. */
async function everywhere(
  kube: KubeClient,
  resource: Resource,
  namespace: string,
  signal: AbortSignal | undefined,
  labelSelector?: string,
): Promise<{ items: KubeObject[]; warning?: string }> {
  const statusOf = (error: unknown) => error instanceof HttpError ? error.status : undefined;
  try {
    return await listAll(kube, { resource, labelSelector }, { signal });
  } catch (error) {
    if (statusOf(error) === 404) return { items: [] };
    if (statusOf(error) !== 403) throw error;
  }
  try {
    const { items } = await listAll(kube, { resource, namespace, labelSelector }, { signal });
    return { items, warning: `${resource.kind}s of other namespaces were not looked at: they may not be listed` };
  } catch (error) {
    const isOptional = resource === RESOURCES.HTTPRoute && statusOf(error) === 403;
    if (!isOptional) throw error;
    return { items: [], warning: `${resource.kind}s were not looked at: they may not be listed` };
  }
}

const Host = v.object({ host: v.string() });
const Destination = v.object({ destination: Host });
const Rules = v.optional(
  v.array(v.object({
    route: v.optional(v.array(Destination), []),
    mirror: v.optional(Host),
    mirrors: v.optional(v.array(Destination), []),
  })),
  [],
);
const VirtualService = v.object({
  hosts: v.optional(v.array(v.string()), []),
  http: Rules,
  tcp: Rules,
  tls: Rules,
});
const Reference = v.object({ kind: v.optional(v.string()), name: v.string(), namespace: v.optional(v.string()) });
const HttpRoute = v.object({
  parentRefs: v.optional(v.array(Reference), []),
  rules: v.optional(v.array(v.object({ backendRefs: v.optional(v.array(Reference), []) })), []),
});

/** Whether a VirtualService or an HTTPRoute names the Service, as a host, a destination, a parent or a backend. */
export function refersTo(object: KubeObject, service: ServiceName, clusterDomain: string): boolean {
  const { name, namespace } = service;
  const own = object.metadata.namespace ?? "";
  if (object.kind === "HTTPRoute") {
    const route = v.safeParse(HttpRoute, object["spec"]);
    if (!route.success) return false;
    const { parentRefs, rules } = route.output;
    const backends = rules.flatMap(({ backendRefs }) => backendRefs.map((one) => ({ kind: "Service", ...one })));
    return [...parentRefs, ...backends].some((one) =>
      one.kind === "Service" && one.name === name && (one.namespace ?? own) === namespace
    );
  }
  const found = v.safeParse(VirtualService, object["spec"]);
  if (!found.success) return false;
  const { hosts, http, tcp, tls } = found.output;
  const all = [...http, ...tcp, ...tls].flatMap(({ route, mirror, mirrors }) => [
    ...[...route, ...mirrors].map(({ destination }) => destination.host),
    ...(mirror ? [mirror.host] : []),
  ]);
  const spelt = new Set([
    ...(own === namespace ? [name] : []),
    ...["", ".svc", `.svc.${clusterDomain}`].map((end) => `${name}.${namespace}${end}`),
  ]);
  return [...hosts, ...all].some((host) => spelt.has(host.toLowerCase()));
}
