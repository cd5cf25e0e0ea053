import type { GateStats, TunnelResult } from "../route.ts";
import type { LoggedStream } from "./access_log.ts";
import { CLUSTER_KINDS } from "./names.ts";
import type { ClusterPlan } from "./resources.ts";

/** What the access log told, summed by service. */
export class Counters {
  readonly #totals = new Map<string, Partial<Record<TunnelResult, number>>>();
  readonly #bytes = new Map<string, { in: number; out: number }>();
  /** What streams that go on have told of themselves, by their id. */
  readonly #open = new Map<string, { in: number; out: number }>();
  #unknown = 0;

  unknownName(): void {
    this.#unknown++;
  }

  /** Takes an entry of the access log; each says what its stream has carried in all. */
  take(service: string, { id, ended, result, bytesIn, bytesOut }: LoggedStream): void {
    const before = this.#open.get(id) ?? { in: 0, out: 0 };
    const bytes = this.#bytes.get(service) ?? { in: 0, out: 0 };
    bytes.in += bytesIn - before.in;
    bytes.out += bytesOut - before.out;
    this.#bytes.set(service, bytes);
    if (!ended) return void this.#open.set(id, { in: bytesIn, out: bytesOut });
    this.#open.delete(id);
    const totals = this.#totals.get(service) ?? {};
    totals[result] = (totals[result] ?? 0) + 1;
    this.#totals.set(service, totals);
  }

  /** Forgets the streams of an Envoy that has ended. */
  lost(): void {
    this.#open.clear();
  }

  /** @param envoy its statistics by name */
  stats(envoy: ReadonlyMap<string, number>, plans: ReadonlyMap<string, ClusterPlan>): GateStats {
    const inspected = (name: string) => envoy.get(`tls_inspector.${name}`) ?? 0;
    return {
      tunnelsOpen: openStreams(envoy, plans),
      tunnelsTotal: new Map(this.#totals),
      bytes: new Map([...noBytes(plans), ...this.#bytes]),
      rejected: {
        unknown: this.#unknown,
        none: inspected("sni_not_found"),
        malformed: inspected("tls_not_found") + inspected("client_hello_too_large"),
        slow: sum(envoy, (name) => name.startsWith("listener.") && name.endsWith(".downstream_pre_cx_timeout")),
      },
      connections: sum(envoy, (name) => name.startsWith("cluster.tunnel/") && name.endsWith(".upstream_cx_active")),
    };
  }
}

const CLUSTER_STAT = new RegExp(`^cluster\\.((${CLUSTER_KINDS.join("|")})/.*)\\.(upstream_(?:rq|cx)_active)$`);

/** Open streams by service: a tunnel is a request of its cluster's, a passed stream a connection. */
function openStreams(
  envoy: ReadonlyMap<string, number>,
  plans: ReadonlyMap<string, ClusterPlan>,
): Map<string, number> {
  const open = new Map<string, number>();
  for (const [stat, value] of envoy) {
    const [, cluster, kind, name] = CLUSTER_STAT.exec(stat) ?? [];
    if (name !== (kind === "tunnel" ? "upstream_rq_active" : "upstream_cx_active")) continue;
    const service = plans.get(cluster!)?.service;
    if (service !== undefined) open.set(service, (open.get(service) ?? 0) + value);
  }
  return open;
}

function sum(envoy: ReadonlyMap<string, number>, of: (name: string) => boolean): number {
  let all = 0;
  for (const [name, value] of envoy) if (of(name)) all += value;
  return all;
}

/** A service that is registered and was never asked for. */
function noBytes(plans: ReadonlyMap<string, ClusterPlan>): [string, { in: number; out: number }][] {
  return [...new Set([...plans.values()].map(({ service }) => service))].map((service) => [service, { in: 0, out: 0 }]);
}
