import type { GateStats, TunnelResult } from "../route.ts";

/** What is counted of one service. */
export interface ServiceCounters {
  open: number;
  results: Partial<Record<TunnelResult, number>>;
  in: number;
  out: number;
}

export type RejectedKind = keyof GateStats["rejected"];

/** Counters of one thread. */
export class Counters {
  readonly rejected: Record<RejectedKind, number> = { unknown: 0, none: 0, malformed: 0, slow: 0 };
  connections = 0;
  /** Streams of all services. */
  open = 0;
  readonly #services = new Map<string, ServiceCounters>();

  of(service: string): ServiceCounters {
    let counters = this.#services.get(service);
    if (!counters) this.#services.set(service, counters = { open: 0, results: {}, in: 0, out: 0 });
    return counters;
  }

  /** Forgets services that are registered no more, once they are quiet. */
  keep(services: ReadonlySet<string>): void {
    for (const [service, { open }] of this.#services) {
      if (open === 0 && !services.has(service)) this.#services.delete(service);
    }
  }

  stats(): GateStats {
    const all = [...this.#services];
    return {
      tunnelsOpen: new Map(all.map(([service, { open }]) => [service, open])),
      tunnelsTotal: new Map(all.map(([service, { results }]) => [service, { ...results }])),
      bytes: new Map(all.map(([service, counters]) => [service, { in: counters.in, out: counters.out }])),
      rejected: { ...this.rejected },
      connections: this.connections,
    };
  }
}

/** The statistics of several threads as one. */
export function sumStats(all: readonly GateStats[]): GateStats {
  return {
    tunnelsOpen: merged(all.map((one) => one.tunnelsOpen), (a, b) => a + b),
    tunnelsTotal: merged(all.map((one) => one.tunnelsTotal), sumRecords),
    bytes: merged(all.map((one) => one.bytes), (a, b) => ({ in: a.in + b.in, out: a.out + b.out })),
    rejected: all.map((one) => one.rejected).reduce(sumRecords),
    connections: all.reduce((sum, one) => sum + one.connections, 0),
  };
}

function merged<V>(maps: readonly ReadonlyMap<string, V>[], add: (a: V, b: V) => V): Map<string, V> {
  const sum = new Map<string, V>();
  for (const [key, value] of maps.flatMap((map) => [...map])) {
    const before = sum.get(key);
    sum.set(key, before === undefined ? value : add(before, value));
  }
  return sum;
}

function sumRecords<R extends Readonly<Record<string, number | undefined>>>(a: R, b: R): R {
  const sum: Record<string, number | undefined> = { ...a };
  for (const [key, value] of Object.entries(b)) sum[key] = (sum[key] ?? 0) + (value ?? 0);
  return sum as R;
}
