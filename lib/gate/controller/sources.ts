import { parseDocument } from "../../base/document.ts";
import { type KubeObject, nameOf } from "../../kube/mod.ts";
import {
  AUTO_REGISTRATION_LABEL,
  type CloudRunName,
  isLabel,
  MANAGED_BY,
  MANAGED_BY_US,
  parseServiceName,
  SERVICE_ANNOTATION,
  type ServicePort,
  URL_ANNOTATION,
} from "../../registration/mod.ts";
import type { RouteProblem } from "../status.ts";
import { dataOf } from "./mesh_env.ts";
import { annotation, label } from "./registered.ts";
import { shown } from "./target.ts";
import * as v from "valibot";

/** Something that asks for a Cloud Run service to be registered. */
export interface Source {
  /** `Service prod/web`, `ConfigMap prod/cloud-run-services web`; what is made carries it. */
  owner: string;
  /** For events. */
  object: KubeObject;
  name: string;
  namespace: string;
  cloudRun: CloudRunName;
  ports: ServicePort[] | undefined;
  audience: string | undefined;
  /** As in the registration: a Service that is there already. */
  service: { selector: Record<string, string> | undefined } | undefined;
}

export interface SourceObjects {
  namespaces: readonly KubeObject[];
  services: readonly KubeObject[];
  configMaps: readonly KubeObject[];
}

/** For names that leave them out. */
export interface Defaults {
  project?: string | undefined;
  region?: string | undefined;
}

const Port = v.object({
  name: v.optional(v.string()),
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
});
const Entry = v.strictObject({
  kind: v.optional(v.literal("CloudRunService")),
  service: v.optional(v.string()),
  region: v.optional(v.string()),
  project: v.optional(v.string()),
  audience: v.optional(v.string()),
  ports: v.optional(v.pipe(v.array(Port), v.minLength(1), v.maxLength(64))),
});
const ServiceSpec = v.object({
  ports: v.pipe(v.array(Port), v.maxLength(64)),
  selector: v.optional(v.record(v.string(), v.string())),
});

/**
 * Who asks, in namespaces that opted in: Services with the registration's label and without a URL of a person, and the entries of
 * config maps. One that asks in vain is a problem, and still among the owners: what was made for it stays until it goes.
 */
export async function sourcesOf(
  objects: SourceObjects,
  defaults: Defaults,
): Promise<{ sources: Source[]; owners: Set<string>; problems: (RouteProblem & { source: KubeObject })[] }> {
  const sources = new Map<string, Source>();
  const owners = new Set<string>();
  const problems: (RouteProblem & { source: KubeObject })[] = [];
  const optedIn = new Set(
    objects.namespaces.filter((namespace) => label(namespace, AUTO_REGISTRATION_LABEL) === "enabled")
      .map(({ metadata }) => metadata.name),
  );
  const add = (owner: string, object: KubeObject, read: Omit<Source, "owner" | "object"> | string) => {
    owners.add(owner);
    const problem = (text: string) => void problems.push({ object: owner, problem: text, source: object });
    if (typeof read === "string") return problem(read);
    const { project } = read.cloudRun;
    if (defaults.project && project !== defaults.project) {
      return problem(`project ${project} is not ${defaults.project}`);
    }
    const key = `${read.namespace}/${read.name}`;
    const first = sources.get(key);
    if (first) return problem(`${key} is registered by ${first.owner}`);
    sources.set(key, { owner, object, ...read });
  };
  const isIn = ({ metadata }: KubeObject) => optedIn.has(metadata.namespace ?? "");
  for (const service of objects.services.filter(isIn)) {
    const isOurs = label(service, MANAGED_BY) === MANAGED_BY_US;
    const asks = annotation(service, SERVICE_ANNOTATION);
    if (isOurs || (asks === undefined && annotation(service, URL_ANNOTATION) !== undefined)) continue;
    add(nameOf(service), service, ofService(service, asks ?? service.metadata.name, defaults));
  }
  for (const configMap of objects.configMaps.filter(isIn)) {
    for (const [key, text] of Object.entries(dataOf(configMap))) {
      add(`${nameOf(configMap)} ${key}`, configMap, await ofEntry(configMap, key, text, defaults));
    }
  }
  return { sources: [...sources.values()], owners, problems };
}

type Read = Omit<Source, "owner" | "object"> | string;

function ofService(service: KubeObject, asks: string, defaults: Defaults): Read {
  const { name, namespace = "" } = service.metadata;
  const cloudRun = parseServiceName(asks, defaults);
  if (!cloudRun) return unreadable(asks);
  const spec = v.safeParse(ServiceSpec, service["spec"]);
  if (!spec.success) return "its ports cannot be read";
  // Istio finds the gate's port by the port's name.
  if (spec.output.ports.some(({ name }) => !name)) return "its ports need names, e.g. http";
  const { selector } = spec.output;
  const hasSelector = selector && Object.keys(selector).length > 0 && selector["mesh-cloudrun"] !== name;
  const ports = named(spec.output.ports);
  return {
    name,
    namespace,
    cloudRun,
    ports,
    audience: undefined,
    service: { selector: hasSelector ? selector : undefined },
  };
}

async function ofEntry(
  configMap: KubeObject,
  key: string,
  text: string,
  defaults: Defaults,
): Promise<Read> {
  if (!isLabel(key)) return `${shown(key)} cannot be the name of a Service`;
  let value: unknown;
  try {
    value = await parseDocument(text) ?? {};
  } catch (error) {
    return (error as Error).message;
  }
  const entry = v.safeParse(Entry, value);
  if (!entry.success) {
    return `${v.getDotPath(entry.issues[0]) ?? "the entry"}: ${
      entry.issues[0].expected ?? "cannot be read"
    } is expected`;
  }
  const { service = key, region = defaults.region, project = defaults.project, audience, ports } = entry.output;
  const cloudRun = parseServiceName(service, { region, project });
  if (!cloudRun) return unreadable(service);
  const { namespace = "" } = configMap.metadata;
  return { name: key, namespace, cloudRun, audience, ports: ports && named(ports), service: undefined };
}

const unreadable = (text: string) =>
  `${shown(text)} names no Cloud Run service: [project/]region/service, both known where they are left out`;

/** A port without a name is HTTP, as on Cloud Run. */
function named(ports: readonly { name?: string | undefined; port: number }[]): ServicePort[] {
  return ports.map(({ name, port }, at) => ({ name: name || (at ? `http-${port}` : "http"), port }));
}
