import { reasonOf } from "../lib/base/errors.ts";
import { logger } from "../lib/base/log.ts";
import type { Gate, GateRoutes } from "../lib/gate/mod.ts";

const log = logger("hgate", "routes");

/** Gives the data plane the routes as they come, one set at a time; of those that come meanwhile only the last. */
export class RoutesInForce {
  readonly #gate: Pick<Gate, "update">;
  readonly #tokens: { keep(audiences: Iterable<string>): void };
  readonly #now: () => number;
  #wanted: GateRoutes | undefined;
  #working: Promise<void> | undefined;
  #routes: GateRoutes = { tunnels: [], istiod: [] };
  #at: number | undefined;
  #problem: string | undefined;

  constructor(
    gate: Pick<Gate, "update">,
    tokens: { keep(audiences: Iterable<string>): void },
    now: () => number = Date.now,
  ) {
    this.#gate = gate;
    this.#tokens = tokens;
    this.#now = now;
  }

  get routes(): GateRoutes {
    return this.#routes;
  }

  /** When the data plane last took routes, milliseconds since 1970; `undefined` before the first. */
  get at(): number | undefined {
    return this.#at;
  }

  /** Why the last routes were not taken. */
  get problem(): string | undefined {
    return this.#problem;
  }

  take(routes: GateRoutes): void {
    this.#wanted = routes;
    this.#working ??= this.#work().finally(() => this.#working = undefined);
  }

  async #work(): Promise<void> {
    for (let routes = this.#next(); routes; routes = this.#next()) {
      try {
        // The tokens first: the data plane may ask for them at once.
        this.#tokens.keep(routes.tunnels.map(({ audience }) => audience));
        await this.#gate.update(routes);
        this.#routes = routes;
        this.#at = this.#now();
        this.#problem = undefined;
        log.info("routes", { tunnels: routes.tunnels.length, services: routes.services?.length ?? 0 });
      } catch (error) {
        this.#problem = reasonOf(error);
        log.error(`the data plane did not take the routes, those before stay: ${this.#problem}`);
      }
    }
  }

  #next(): GateRoutes | undefined {
    const routes = this.#wanted;
    this.#wanted = undefined;
    return routes;
  }
}
