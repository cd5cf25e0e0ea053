import { parseDocument } from "../../base/document.ts";
import { annotation, type KubeObject, label, nameOf } from "../../kube/mod.ts";
import {
  AUTO_REGISTRATION_LABEL,
  isLabel,
  MANAGED_BY,
  MANAGED_BY_US,
  namedPorts,
  parseServiceName,
  REGISTERED_BY_ANNOTATION,
  SERVICE_ANNOTATION,
  URL_ANNOTATION,
  type Wish,
  wishOf,
} from "../../registration/mod.ts";
import type { RouteProblem } from "../status.ts";
import { dataOf } from "./mesh_env.ts";
import { shown } from "./target.ts";
import * as v from "valibot";

/** Something that asks for a Cloud Run service to be registered. */
export interface Source {
  /** `Service prod/web`, `ConfigMap prod/cloud-run-services web`; what is made carries it, unless a command registered. */
  owner: string;
  /** For events; the Service itself where one asks. */
  object: KubeObject;
  wish: Wish;
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
/**
 * Who asks, in namespaces that opted in: Services with the registration's label and without a URL of a person, those that a command
 * registered, and the entries of config maps. One that asks in vain is a problem, and still among the owners: what was made for it stays until it goes.
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
  const add = (owner: string, object: KubeObject, wish: Wish | string) => {
    owners.add(owner);
    const problem = (text: string) => void problems.push({ object: owner, problem: text, source: object });
    if (typeof wish === "string") return problem(wish);
    const { project } = wish.cloudRun;
    if (defaults.project && project !== defaults.project) {
      return problem(
        `project ${project} is not ${defaults.project}${wish.command ? ": changes are not followed" : ""}`,
      );
    }
    const key = `${wish.namespace}/${wish.name}`;
    const first = sources.get(key);
    if (first) return problem(`${key} is registered by ${first.owner}`);
    sources.set(key, { owner, object, wish });
  };
  const isIn = ({ metadata }: KubeObject) => optedIn.has(metadata.namespace ?? "");
  for (const service of objects.services.filter(isIn)) {
    const isByCommand = annotation(service, REGISTERED_BY_ANNOTATION) !== undefined;
    const isOurs = label(service, MANAGED_BY) === MANAGED_BY_US;
    const asks = annotation(service, SERVICE_ANNOTATION);
    const isAPersonsUrl = asks === undefined && annotation(service, URL_ANNOTATION) !== undefined;
    if (!isByCommand && (isOurs || isAPersonsUrl)) continue;
    add(nameOf(service), service, ofService(service, asks ?? service.metadata.name, defaults));
  }
  for (const configMap of objects.configMaps.filter(isIn)) {
    for (const [key, text] of Object.entries(dataOf(configMap))) {
      add(`${nameOf(configMap)} ${key}`, configMap, await ofEntry(configMap, key, text, defaults));
    }
  }
  return { sources: [...sources.values()], owners, problems };
}

function ofService(service: KubeObject, asks: string, defaults: Defaults): Wish | string {
  const cloudRun = parseServiceName(asks, defaults);
  return cloudRun ? wishOf(service, cloudRun) : unreadable(asks);
}

async function ofEntry(
  configMap: KubeObject,
  key: string,
  text: string,
  defaults: Defaults,
): Promise<Wish | string> {
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
  return { name: key, namespace, cloudRun, audience, ports: ports && namedPorts(ports) };
}

const unreadable = (text: string) =>
  `${shown(text)} names no Cloud Run service: [project/]region/service, both known where they are left out`;
