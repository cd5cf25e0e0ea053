import { annotation, type KubeObject } from "../../kube/mod.ts";
import {
  AUDIENCE_ANNOTATION,
  HOSTS_ANNOTATION,
  isHostName,
  isLabel,
  TUNNEL_ANNOTATION,
  URL_ANNOTATION,
} from "../../registration/mod.ts";
import * as v from "valibot";

/** Ports beyond this number are not looked at: what a namespace writes must not grow the gate without bound. */
const MOST_PORTS = 64;
const MOST_HOSTS = 64;

const Ports = v.object({ ports: v.array(v.looseObject({ port: v.optional(v.unknown()) })) });
const Selector = v.object({ selector: v.record(v.string(), v.string()) });
const Hosts = v.object({ hosts: v.array(v.string()) });
const Labels = v.object({ labels: v.record(v.string(), v.string()) });
const Address = v.object({ clusterIP: v.string() });
const Rule = v.object({ host: v.string(), subsets: v.array(v.looseObject({ name: v.optional(v.unknown()) })) });

/** What was read of an object is kept with it: of thousands, one has changed when routes are made anew. */
const read = new WeakMap<KubeObject, Map<v.GenericSchema, unknown>>();

function part<S extends v.GenericSchema>(schema: S, object: KubeObject): v.InferOutput<S> | undefined {
  let parts = read.get(object);
  if (!parts) read.set(object, parts = new Map());
  if (!parts.has(schema)) {
    const result = v.safeParse(schema, object["spec"]);
    parts.set(schema, result.success ? result.output : undefined);
  }
  return parts.get(schema) as v.InferOutput<S> | undefined;
}

const isPort = (port: number) => port > 0 && port < 65_536;

/** Its numbered ports. */
export function portsOf(object: KubeObject): number[] {
  const numbers = part(Ports, object)?.ports.map(({ port }) => port) ?? [];
  return [...new Set(numbers)].filter((port): port is number => Number.isInteger(port) && isPort(port as number)).slice(
    0,
    MOST_PORTS,
  );
}

/** The ServiceEntry's hosts; those further than the limit are left out. */
export function hostsOf(object: KubeObject): string[] {
  return [...new Set((part(Hosts, object)?.hosts ?? []).map((host) => host.toLowerCase()))].slice(0, MOST_HOSTS);
}

/** Host names of its annotation. */
export function plainHostsOf(object: KubeObject): string[] {
  const names = (annotation(object, HOSTS_ANNOTATION) ?? "").toLowerCase().split(",").map((name) => name.trim());
  return [...new Set(names.filter(Boolean))].slice(0, MOST_HOSTS);
}

/** Pairs of a Service's selector, and of a WorkloadEntry's labels as Istio sees them: those of its spec, then of its metadata. */
function selectorOf(service: KubeObject): [string, string][] {
  return Object.entries(part(Selector, service)?.selector ?? {});
}

function labelsOf(entry: KubeObject): Record<string, string> {
  return { ...entry.metadata.labels, ...part(Labels, entry)?.labels };
}

/** The WorkloadEntries that say a URL, found by who selects them; made once for all Services. */
export class Speakers {
  readonly entries: readonly KubeObject[];
  readonly #byPair = new Map<string, { entry: KubeObject; labels: Record<string, string> }[]>();

  constructor(entries: readonly KubeObject[]) {
    this.entries = entries.filter((entry) => saidOf(entry).url !== undefined).sort(byAge);
    for (const entry of this.entries) {
      const labels = labelsOf(entry);
      for (const [key, value] of Object.entries(labels)) {
        const pair = pairOf(entry, key, value);
        const all = this.#byPair.get(pair);
        if (all) all.push({ entry, labels });
        else this.#byPair.set(pair, [{ entry, labels }]);
      }
    }
  }

  /** The oldest first. */
  selectedBy(service: KubeObject): KubeObject[] {
    const wanted = selectorOf(service);
    if (!wanted[0]) return [];
    const candidates = this.#byPair.get(pairOf(service, ...wanted[0])) ?? [];
    return candidates.filter(({ labels }) => wanted.every(([key, value]) => labels[key] === value))
      .map(({ entry }) => entry);
  }
}

const pairOf = ({ metadata }: KubeObject, key: string, value: string) =>
  JSON.stringify([metadata.namespace, key, value]);

/** `namespace host` → subsets of its DestinationRules. */
export function subsetsByHost(rules: readonly KubeObject[]): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>();
  for (const rule of rules) {
    const spec = part(Rule, rule);
    if (!spec) continue;
    const key = `${rule.metadata.namespace} ${spec.host.toLowerCase()}`;
    found.set(key, [...found.get(key) ?? [], ...spec.subsets.slice(0, MOST_HOSTS).map(({ name }) => name)]);
  }
  return found;
}

/** The cluster's address of a Service; `undefined` for one without, as a headless one. */
export function clusterAddress(object: KubeObject): string | undefined {
  const address = part(Address, object)?.clusterIP;
  return address && /^[0-9a-f.:]+$/i.test(address) ? address : undefined;
}

/** What an object says of its Cloud Run service. */
export function saidOf(object: KubeObject) {
  return {
    url: annotation(object, URL_ANNOTATION),
    audience: annotation(object, AUDIENCE_ANNOTATION),
    tunnel: annotation(object, TUNNEL_ANNOTATION),
  };
}

/** Whether its own name can stand in a route: the API server takes no others, but nothing here depends on that. */
export function hasGoodName({ kind, metadata }: KubeObject): boolean {
  const isNameGood = isLabel(metadata.name) || (kind === "ServiceEntry" && isHostName(metadata.name));
  return isNameGood && isLabel(metadata.namespace ?? "");
}

const ages = new WeakMap<KubeObject, string>();

function ageOf(object: KubeObject): string {
  let age = ages.get(object);
  if (age === undefined) {
    const { kind, metadata } = object;
    ages.set(object, age = `${metadata.creationTimestamp ?? "9"} ${kind} ${metadata.namespace} ${metadata.name}`);
  }
  return age;
}

/** The older first; of the same second, by kind and name, so that every replica decides alike. */
export function byAge(a: KubeObject, b: KubeObject): number {
  const [left, right] = [ageOf(a), ageOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
