import { type KubeObject, label, nameOf } from "../../kube/mod.ts";
import { PLAIN_HOSTS_LABEL } from "../../registration/mod.ts";
import type { GateRoutes, PassRoute, TunnelRoute, TunnelRouteLimits } from "../route.ts";
import type { RouteProblem } from "../status.ts";
import {
  byAge,
  clusterAddress,
  hasGoodName,
  hostsOf,
  plainHostsOf,
  portsOf,
  saidOf,
  Speakers,
  subsetsByHost,
} from "./registered.ts";
import { isSubset, mayClaim, meshServerNames, serviceHost } from "./server_names.ts";
import { shown, targetOf, type TokenPolicy } from "./target.ts";

/** What the routes are made of: objects as the cluster has them. */
export interface RouteSources {
  /** With the registration's label. */
  services: readonly KubeObject[];
  /** With the registration's label; the oldest says the URL for a Service that selects it and says none. */
  workloadEntries: readonly KubeObject[];
  /** With the registration's label. */
  serviceEntries: readonly KubeObject[];
  /** With the registration's label; only those of the same namespace give a Service subsets. */
  destinationRules: readonly KubeObject[];
  /** With a label of ours. */
  namespaces: readonly KubeObject[];
  /** With the label that lets them be reached from outside; missing where 15443 is not served. */
  passthrough?: readonly KubeObject[];
}

export interface RouteOptions extends TokenPolicy {
  clusterDomain: string;
  istiod: { host: string; port: number; names: readonly string[] };
  limits?: Partial<TunnelRouteLimits>;
}

const LIMITS: TunnelRouteLimits = { tunnels: 10_000, connectTimeoutMs: 5_000, idleTimeoutMs: 3_600_000 };

/** The gate's routes by what is registered. Total: whatever the objects hold, there is a route or a problem that names the object. */
export function routesOf(
  sources: RouteSources,
  options: RouteOptions,
): { routes: GateRoutes; problems: RouteProblem[] } {
  const problems: RouteProblem[] = [];
  const report = (object: KubeObject, problem: string) => void problems.push({ object: nameOf(object), problem });
  const claims = new Claims(sources, options, report);
  const limits = { ...LIMITS, ...options.limits };

  const speakers = new Speakers(sources.workloadEntries);
  const heard = new Set<KubeObject>();
  const subsets = subsetsByHost(sources.destinationRules);

  const tunnels: TunnelRoute[] = [];
  for (const object of [...sources.services, ...sources.serviceEntries].sort(byAge)) {
    if (!hasGoodName(object)) {
      report(object, "its name or namespace cannot stand in a host name");
      continue;
    }
    const selected = object.kind === "Service" ? speakers.selectedBy(object) : [];
    for (const entry of selected) heard.add(entry);
    const from = saidOf(object).url === undefined ? selected[0] ?? object : object;
    const target = targetOf(saidOf(from), options);
    if ("problem" in target) {
      report(from, target.problem);
      continue;
    }
    for (const [service, wanted] of wantedNames(object, subsets, options)) {
      const serverNames = claims.take(object, wanted);
      if (serverNames.length) tunnels.push({ service, serverNames, ...target, limits });
    }
  }
  for (const entry of speakers.entries) {
    if (!heard.has(entry)) report(entry, "no registered Service of its namespace selects it");
  }
  const { host, port, names } = options.istiod;
  const istiod: PassRoute = { service: "istiod", serverNames: [...names], host, port };
  const services = sources.passthrough && passRoutes(sources.passthrough, options, report);
  return { routes: { tunnels, istiod: [istiod], ...(services ? { services } : {}) }, problems };
}

/** A route's label → host names with their ports' names. A ServiceEntry gives a route for each of its hosts. */
function wantedNames(
  object: KubeObject,
  subsets: ReadonlyMap<string, readonly unknown[]>,
  { clusterDomain }: RouteOptions,
): Map<string, Map<string, string[]>> {
  const { name, namespace = "" } = object.metadata;
  const wanted = new Map<string, Map<string, string[]>>();
  const ports = portsOf(object);
  if (object.kind === "ServiceEntry") {
    for (const host of hostsOf(object)) {
      wanted.set(`${namespace}/${host}`, new Map([[host, [...meshServerNames(host, ports, []), host]]]));
    }
    return wanted;
  }
  const host = serviceHost(name, namespace, clusterDomain);
  const own = [host, name, `${name}.${namespace}`, `${name}.${namespace}.svc`]
    .flatMap((spelt) => subsets.get(`${namespace} ${spelt}`) ?? []).filter(isSubset).map((subset) =>
      subset.toLowerCase()
    );
  const hosts = new Map([[host, meshServerNames(host, ports, [...new Set(own)])]]);
  for (const plain of plainHostsOf(object)) hosts.set(plain, [...hosts.get(plain) ?? [], plain]);
  return wanted.set(`${namespace}/${name}`, hosts);
}

/** Who has which name: the older registration, and only in its own namespace. */
class Claims {
  readonly #owners = new Map<string, KubeObject>();
  readonly #plainHosts: Set<string>;

  constructor(
    sources: RouteSources,
    readonly options: RouteOptions,
    readonly report: (object: KubeObject, problem: string) => void,
  ) {
    const allowed = sources.namespaces.filter((namespace) => label(namespace, PLAIN_HOSTS_LABEL) === "allowed");
    this.#plainHosts = new Set(allowed.map(({ metadata }) => metadata.name));
  }

  /** @returns the names that are free and may be claimed; the others are reported, once a host */
  take(object: KubeObject, hosts: ReadonlyMap<string, readonly string[]>): string[] {
    const { namespace = "" } = object.metadata;
    const taken: string[] = [];
    for (const [host, names] of hosts) {
      if (!mayClaim(host, namespace, this.options.clusterDomain, this.#plainHosts.has(namespace))) {
        this.report(object, `namespace ${namespace} may not claim ${shown(host)}`);
        continue;
      }
      const owner = names.map((name) => this.#owners.get(name)).find((owner) => owner && owner !== object);
      if (owner) this.report(object, `${shown(host)} is that of ${nameOf(owner)}, which is older`);
      for (const name of names) {
        if (this.#owners.has(name)) continue;
        this.#owners.set(name, object);
        taken.push(name);
      }
      if (names.length === 0) this.report(object, "it has no port");
    }
    return taken;
  }
}

/** A route for each port of a Service that allows it; the subsets of its DestinationRules are not told apart on this way. */
function passRoutes(
  services: readonly KubeObject[],
  { clusterDomain }: RouteOptions,
  report: (object: KubeObject, problem: string) => void,
): PassRoute[] {
  return [...services].sort(byAge).flatMap((object) => {
    const { name, namespace = "" } = object.metadata;
    const host = clusterAddress(object);
    if (!hasGoodName(object) || !host) {
      report(object, "it has no address in the cluster to pass streams to");
      return [];
    }
    return portsOf(object).map((port): PassRoute => ({
      service: `${namespace}/${name}:${port}`,
      serverNames: meshServerNames(serviceHost(name, namespace, clusterDomain), [port], []),
      host,
      port,
    }));
  });
}
