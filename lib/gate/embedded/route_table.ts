/** What all routes have. */
interface AnyRoute {
  service: string;
  serverNames: readonly string[];
}

/** A stream that can be ended from outside. */
export interface OpenStream {
  /** Resets both its sides. */
  cut(): void;
}

/** A route in use: `route` is what new streams go by, `streams` are those that are open. */
export interface LiveRoute<R> {
  route: R;
  readonly streams: Set<OpenStream>;
}

/** The routes of one port, found by exact name. */
export class RouteTable<R extends AnyRoute> {
  readonly #targetOf: (route: R) => string;
  #byName: ReadonlyMap<string, LiveRoute<R>> = new Map();
  #byTarget: ReadonlyMap<string, LiveRoute<R>> = new Map();

  /** @param targetOf what, with the service, makes a route the same after a change */
  constructor(targetOf: (route: R) => string) {
    this.#targetOf = targetOf;
  }

  find(serverName: string): LiveRoute<R> | undefined {
    return this.#byName.get(serverName);
  }

  /** Takes `routes` for those there were; streams of a route that is not among them are cut. */
  replace(routes: readonly R[]): void {
    const byTarget = new Map<string, LiveRoute<R>>();
    const byName = new Map<string, LiveRoute<R>>();
    for (const route of routes) {
      const target = JSON.stringify([route.service, this.#targetOf(route)]);
      const live = byTarget.get(target) ?? this.#byTarget.get(target) ?? { route, streams: new Set() };
      live.route = route;
      byTarget.set(target, live);
      for (const name of route.serverNames) if (!byName.has(name)) byName.set(name, live);
    }
    const gone = [...this.#byTarget].filter(([target]) => !byTarget.has(target));
    [this.#byName, this.#byTarget] = [byName, byTarget];
    for (const [, { streams }] of gone) for (const stream of [...streams]) stream.cut();
  }
}
