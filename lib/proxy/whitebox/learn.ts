/** What whitebox mode must know of the mesh: which names and ports are HTTP, which are opaque TCP. */
export interface MeshPorts {
  /** Ports that istiod serves a route configuration for, ascending: HTTP services, and those whose protocol is found by looking. */
  httpPorts: number[];
  /** `host:port` of services that are reached as TCP, by full name, sorted. */
  tcpServices: string[];
  /** `address:port` (IPv6 in brackets) of services that are reached as TCP, with their clusters, sorted by address. */
  tcpAddresses: [address: string, clusters: WeightedCluster[]][];
  /** False when the mesh lets nothing out to hosts it doesn't know (`outboundTrafficPolicy: REGISTRY_ONLY`). */
  outsideAllowed: boolean;
}

export interface WeightedCluster {
  name: string;
  weight: number;
}

/** What is known before Envoy has heard of istiod. */
export const NOTHING_LEARNT: MeshPorts = { httpPorts: [], tcpServices: [], tcpAddresses: [], outsideAllowed: true };

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
  const clusters = outboundClusters(dumps.clusters);
  const http = new Set(extraPorts);
  const tcp = new Set<string>();
  const addresses = new Map<string, WeightedCluster[]>();
  let outsideAllowed = true;
  for (const listener of listenersIn(dumps.listeners)) {
    if (listener["name"] === "virtualInbound") continue;
    const chains = [...list(listener["filter_chains"]), ...list([listener["default_filter_chain"]])];
    for (const chain of chains) {
      for (const filter of list(chain["filters"])) {
        const config = record(filter["typed_config"]);
        const type = String(config["@type"] ?? "");
        if (type.endsWith(".HttpConnectionManager")) {
          const port = routePort(record(config["rds"])["route_config_name"]);
          if (port !== undefined) http.add(port);
        } else if (type.endsWith(".TcpProxy")) {
          const targets = targetsOf(config);
          if (listener["name"] === "virtualOutbound") {
            // virtualOutbound also has chains that drop what would loop: only the last word counts.
            if (chain === chains.at(-1)) outsideAllowed = targets[0]?.name !== "BlackHoleCluster";
            continue;
          }
          const usable = targets.filter(({ name }) => clusters.get(name) === "usable");
          for (const { name } of usable) {
            const service = serviceOf(name);
            if (service) tcp.add(service);
          }
          if (usable.length === 0 || usable.length < targets.length) continue;
          for (const address of addressesOf(listener, chain)) addresses.set(address, usable);
        }
      }
    }
  }
  for (const [name, use] of clusters) {
    const service = serviceOf(name);
    if (service && use === "usable" && !http.has(Number(name.split("|")[1]))) tcp.add(service);
  }
  return {
    httpPorts: [...http].sort((a, b) => a - b),
    tcpServices: [...tcp].sort(),
    tcpAddresses: [...addresses].sort(([a], [b]) => (a < b ? -1 : 1)),
    outsideAllowed,
  };
}

/** Istiod's name for the cluster of a service, e.g. `outbound|5432||db.shop.svc.cluster.local`, as `db.shop.svc.cluster.local:5432`. */
function serviceOf(cluster: string): string | undefined {
  const [direction, port, , host] = cluster.split("|");
  return direction === "outbound" && port && host && !host.startsWith("*") ? `${host}:${port}` : undefined;
}

/** `80` for route configurations named `80` and `web.shop.svc.cluster.local:80`. */
function routePort(name: unknown): number | undefined {
  const port = /(?:^|:)(\d{1,5})$/.exec(typeof name === "string" ? name : "")?.[1];
  return port === undefined ? undefined : Number(port);
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

function outboundClusters(dump: unknown): Map<string, "usable" | "original destination"> {
  const clusters = list(record(dump)["configs"]).map((entry) => record(entry["cluster"]))
    .filter((cluster) => typeof cluster["name"] === "string" && cluster["name"].startsWith("outbound|"));
  return new Map(
    clusters.map((cluster) => [
      String(cluster["name"]),
      cluster["type"] === "ORIGINAL_DST" ? "original destination" : "usable",
    ]),
  );
}

type Json = Readonly<Record<string, unknown>>;

function record(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Json : {};
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) as Json[] : [];
}
