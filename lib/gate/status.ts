import { exposition, type Family, type Sample } from "../base/exposition.ts";
import type { GateRoutes, GateStats } from "./route.ts";

/** A registration that gives no route, or not the one it asks for. */
export interface RouteProblem {
  /** `Service prod/web` */
  object: string;
  problem: string;
}

/** What a replica of the gate knows of itself, for people and machines. */
export interface GateStatus {
  /** Why it is not ready; `undefined` when it is. */
  notReady: string | undefined;
  engine: string;
  routes: GateRoutes;
  problems: readonly RouteProblem[];
  /** When the cluster was last heard of, milliseconds since 1970. */
  clusterHeardAt: number | undefined;
  /** Whether this replica is the one that writes. */
  isLeader: boolean;
  stats: GateStats | undefined;
  tokenFetches: Readonly<Record<"ok" | "failed", number>>;
}

/** As `/metrics` shows it. */
export function gateMetrics(status: GateStatus, now: number = Date.now()): string {
  const { stats, routes, tokenFetches } = status;
  const perService = (values: ReadonlyMap<string, number> = new Map()): Sample[] =>
    [...values].map(([service, value]) => [{ service }, value]);
  const families: Family[] = [
    ["hgate_ready", "gauge", "1 when routes are loaded and streams are taken.", [[{}, status.notReady ? 0 : 1]]],
    ["hgate_leader", "gauge", "1 on the replica that writes to the cluster.", [[{}, status.isLeader ? 1 : 0]]],
    ["hgate_routes", "gauge", "Routes by the kind of their port.", [
      [{ kind: "tunnel" }, routes.tunnels.length],
      [{ kind: "istiod" }, routes.istiod.length],
      [{ kind: "service" }, routes.services?.length ?? 0],
    ]],
    ["hgate_route_problems", "gauge", "Registrations with a problem, see /debug/routes.", [
      [{}, status.problems.length],
    ]],
    [
      "hgate_config_age_seconds",
      "gauge",
      "Time since the cluster was last heard of.",
      status.clusterHeardAt === undefined ? [] : [[{}, Math.max(0, now - status.clusterHeardAt) / 1_000]],
    ],
    [
      "hgate_token_fetches_total",
      "counter",
      "ID tokens asked for.",
      Object.entries(tokenFetches).map(([result, count]) => [{ result }, count]),
    ],
    ["hgate_tunnels_open", "gauge", "Streams that are open.", perService(stats?.tunnelsOpen)],
    [
      "hgate_tunnels_total",
      "counter",
      "Streams that ended, by how.",
      [...stats?.tunnelsTotal ?? []].flatMap(([service, results]) =>
        Object.entries(results).map(([result, count]): Sample => [{ service, result }, count])
      ),
    ],
    [
      "hgate_tunnel_bytes_total",
      "counter",
      "Bytes carried, in: from the mesh.",
      [...stats?.bytes ?? []].flatMap(([service, bytes]): Sample[] => [
        [{ service, direction: "in" }, bytes.in],
        [{ service, direction: "out" }, bytes.out],
      ]),
    ],
    [
      "hgate_rejected_total",
      "counter",
      "Connections closed before they had a route: an unknown name, none, no TLS, too slow.",
      Object.entries(stats?.rejected ?? {}).map(([reason, count]) => [{ reason }, count]),
    ],
    [
      "hgate_front_end_connections",
      "gauge",
      "HTTP/2 connections to front ends.",
      stats ? [[{}, stats.connections]] : [],
    ],
  ];
  return exposition(families);
}

/** As `/debug/routes` shows it: JSON, and what `hgate routes` reads. */
export interface RoutesReport {
  engine: string;
  notReady: string | null;
  isLeader: boolean;
  routes: {
    kind: "tunnel" | "istiod" | "service";
    service: string;
    names: readonly string[];
    to: string;
    open: number;
  }[];
  problems: readonly RouteProblem[];
}

export function routesReport(status: GateStatus): RoutesReport {
  const { routes, stats } = status;
  const open = (service: string) => stats?.tunnelsOpen.get(service) ?? 0;
  return {
    engine: status.engine,
    notReady: status.notReady ?? null,
    isLeader: status.isLeader,
    routes: [
      ...routes.tunnels.map(({ service, serverNames, url, path }) =>
        ({ kind: "tunnel", service, names: serverNames, to: url + path, open: open(service) }) as const
      ),
      ...(["istiod", "service"] as const).flatMap((kind) =>
        (kind === "istiod" ? routes.istiod : routes.services ?? []).map(({ service, serverNames, host, port }) =>
          ({ kind, service, names: serverNames, to: `${host}:${port}`, open: open(service) }) as const
        )
      ),
    ],
    problems: status.problems,
  };
}
