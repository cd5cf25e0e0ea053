/**
 * How a service is reached at one of its ports: as `http`, by the routes of that port; as opaque `tcp`, by its cluster; or as `either`, which its first
 * bytes tell (a port without a declared protocol).
 */
export type ServiceKind = "http" | "tcp" | "either";

/** What whitebox mode must know of the mesh: which names and ports are HTTP, which are opaque TCP. */
export interface MeshPorts {
  /** Ports that istiod serves a route configuration for, ascending. */
  httpPorts: number[];
  /** Services by `host:port`, with their full names. */
  services: ReadonlyMap<string, ServiceKind>;
  /**
   * Where TCP goes, by `address:port` (IPv6 in brackets), and by `host:port` for services whose rules (a VirtualService's `tcp` routes) lead elsewhere
   * than to their own cluster.
   */
  tcpRoutes: ReadonlyMap<string, WeightedCluster[]>;
  /** False when the mesh lets nothing out to hosts it doesn't know (`outboundTrafficPolicy: REGISTRY_ONLY`). */
  outsideAllowed: boolean;
}

export interface WeightedCluster {
  name: string;
  weight: number;
}

/** What is known before Envoy has heard of istiod. */
export const NOTHING_LEARNT: MeshPorts = {
  httpPorts: [],
  services: new Map(),
  tcpRoutes: new Map(),
  outsideAllowed: true,
};

/** Envoy's answers to the two {@link LEARN_QUERIES}, as parsed JSON of unknown shape. */
export interface AdminDumps {
  listeners: unknown;
  clusters: unknown;
}

/** Paths at Envoy's admin port. Envoy's masks reach into a cluster, but not into a listener. */
export const LEARN_QUERIES: Record<keyof AdminDumps, string> = {
  listeners: "/config_dump?resource=dynamic_listeners&mask=active_state.listener",
  clusters: "/config_dump?resource=dynamic_active_clusters&mask=cluster.name,cluster.type",
};

/**
 * Reads istiod's listeners and clusters (pilot/pkg/networking/core in istio/istio):
 * - a connection manager of an outbound listener names its route configuration: the port, or `host:port` where the protocol is found by looking. istiod
 *   serves the port's own configuration in the second case as well, with all hosts of that port, so one for each port is enough;
 * - a `tcp_proxy` to `outbound|PORT|SUBSET|HOST` is an opaque service or one found by looking, at the listener's address or the filter chain's;
 * - the cluster list names every service and port, also those that no listener can have (no address of their own);
 * - clusters of type ORIGINAL_DST need the address the app connected to, which a proxy doesn't have: they are left out;
 * - the listener `virtualOutbound` leads to BlackHoleCluster or PassthroughCluster.
 *
 * @param extraPorts ports to treat as HTTP though no listener says so
 */
export function learnPorts(dumps: AdminDumps, extraPorts: readonly number[] = []): MeshPorts {
  const usable = usableClusters(dumps.clusters);
  const http = new Set(extraPorts);
  const services = new Map<string, ServiceKind>();
  const tcpRoutes = new Map<string, WeightedCluster[]>();
  /** Different rules that lead to a service, by its name. */
  const rules = new Map<string, Map<string, WeightedCluster[]>>();
  let outsideAllowed = true;
  for (const listener of listenersIn(dumps.listeners)) {
    if (listener["name"] === "virtualInbound") continue;
    const chains = chainsOf(listener);
    if (listener["name"] === "virtualOutbound") {
      // Its other chains drop what would loop.
      outsideAllowed = chains.at(-1)?.clusters[0]?.name !== "BlackHoleCluster";
      continue;
    }
    const routes = new Set(chains.map(({ routes }) => routes).filter((name) => name !== undefined));
    for (const name of routes) http.add(routePort(name));
    for (const { clusters, addresses: at, shared } of chains) {
      const known = clusters.filter(({ name }) => usable.has(name));
      for (const { name } of known) {
        const service = serviceOf(name);
        if (!service) continue;
        const either = routes.has(service.name) || (shared && routes.has(`${service.port}`));
        services.set(service.name, either ? "either" : "tcp");
      }
      if (known.length === 0 || known.length < clusters.length) continue;
      for (const address of at) tcpRoutes.set(address, known);
      const targets = new Set(known.map(({ name }) => serviceOf(name)?.name));
      const [only] = targets;
      if (targets.size === 1 && only) {
        rules.set(only, new Map([...rules.get(only) ?? [], [JSON.stringify(known), known]]));
      }
    }
  }
  for (const cluster of usable) {
    const service = serviceOf(cluster);
    if (service && !services.has(service.name)) services.set(service.name, http.has(service.port) ? "http" : "tcp");
  }
  for (const [name, rule] of ownRules(rules)) tcpRoutes.set(name, rule);
  return {
    httpPorts: [...http].sort((a, b) => a - b),
    services: sorted(services),
    tcpRoutes: sorted(tcpRoutes),
    outsideAllowed,
  };
}

/**
 * Rules of services that lead elsewhere than to their own clusters. A listener does not say whose it is: only where all that lead to a service agree on
 * how is that the service's own rule.
 */
function ownRules(rules: ReadonlyMap<string, ReadonlyMap<string, WeightedCluster[]>>): [string, WeightedCluster[]][] {
  return [...rules].flatMap(([service, different]): [string, WeightedCluster[]][] => {
    const [rule] = different.values();
    const toSubset = rule?.some(({ name }) => name.split("|")[2] !== "") ?? false;
    return rule && different.size === 1 && toSubset ? [[service, rule]] : [];
  });
}

interface Chain {
  /** The route configuration that its connection manager names. */
  routes: string | undefined;
  /** Where its `tcp_proxy` goes. */
  clusters: WeightedCluster[];
  addresses: string[];
  /** Whether the chain is for any address at the listener's port. */
  shared: boolean;
}

function chainsOf(listener: Json): Chain[] {
  return [...list(listener["filter_chains"]), ...list([listener["default_filter_chain"]])].map((chain) => {
    const configs = list(chain["filters"]).map((filter) => record(filter["typed_config"]));
    const ofType = (name: string) => configs.find((config) => String(config["@type"] ?? "").endsWith(`.${name}`));
    const routes = record(ofType("HttpConnectionManager")?.["rds"])["route_config_name"];
    return {
      routes: typeof routes === "string" && routePort(routes) > 0 ? routes : undefined,
      clusters: targetsOf(record(ofType("TcpProxy"))),
      addresses: addressesOf(listener, chain),
      shared: list(record(chain["filter_chain_match"])["prefix_ranges"]).length === 0,
    };
  });
}

function sorted<Value>(map: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Istiod's name for the cluster of a service, e.g. `outbound|5432||db.shop.svc.cluster.local`, read as `db.shop.svc.cluster.local:5432`. */
function serviceOf(cluster: string): { name: string; port: number } | undefined {
  const [direction, port, , host] = cluster.split("|");
  const usable = direction === "outbound" && port && host && !host.startsWith("*");
  return usable ? { name: `${host}:${port}`, port: Number(port) } : undefined;
}

/** 80 for route configurations named `80` and `web.shop.svc.cluster.local:80`, 0 for others. */
function routePort(name: string): number {
  return Number(/(?:^|:)(\d{1,5})$/.exec(name)?.[1] ?? 0);
}

function targetsOf(tcpProxy: Json): WeightedCluster[] {
  if (typeof tcpProxy["cluster"] === "string") return [{ name: tcpProxy["cluster"], weight: 1 }];
  return list(record(tcpProxy["weighted_clusters"])["clusters"])
    .map((target) => ({ name: String(target["name"] ?? ""), weight: Number(target["weight"] ?? 0) }))
    .filter(({ weight }) => weight > 0);
}

/** Where a filter chain is reached: its own address ranges of one address each, or else the listener's address unless it is all of them. */
function addressesOf(listener: Json, chain: Json): string[] {
  const match = record(chain["filter_chain_match"]);
  // Chains for one server name belong to a host, not to the whole address.
  if (Array.isArray(match["server_names"])) return [];
  const socket = record(record(listener["address"])["socket_address"]);
  const port = socket["port_value"];
  if (typeof port !== "number") return [];
  const ranges = list(match["prefix_ranges"]);
  const found = ranges.length === 0 ? [socket["address"]] : ranges
    .filter((range) => range["prefix_len"] === (String(range["address_prefix"]).includes(":") ? 128 : 32))
    .map((range) => range["address_prefix"]);
  return found.filter((address) => typeof address === "string" && !["0.0.0.0", "::"].includes(address))
    .map((address) => (String(address).includes(":") ? `[${address}]:${port}` : `${address}:${port}`));
}

function listenersIn(dump: unknown): Json[] {
  return list(record(dump)["configs"]).map((entry) => record(record(entry["active_state"])["listener"]));
}

/** Names of the outbound clusters that a proxy can use. */
function usableClusters(dump: unknown): Set<string> {
  return new Set(
    list(record(dump)["configs"]).map((entry) => record(entry["cluster"]))
      .filter((cluster) => cluster["type"] !== "ORIGINAL_DST").map((cluster) => String(cluster["name"] ?? ""))
      .filter((name) => name.startsWith("outbound|")),
  );
}

type Json = Readonly<Record<string, unknown>>;

function record(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Json : {};
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) as Json[] : [];
}
