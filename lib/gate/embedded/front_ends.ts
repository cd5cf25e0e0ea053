import type { TunnelRoute } from "../route.ts";
import { FrontEndPool } from "./front_end_pool.ts";
import type { ThreadOptions } from "./thread.ts";

const IDLE_CONNECTION_MS = 300_000;
const KEEP_ALIVE_MS = 30_000;
const HTTPS_PORT = 443;

/** The connections of one thread to all front ends. */
export class FrontEnds {
  readonly #options: Pick<ThreadOptions, "frontEndRoots" | "limits">;
  readonly #pools = new Map<string, FrontEndPool>();

  constructor(options: Pick<ThreadOptions, "frontEndRoots" | "limits">) {
    this.#options = options;
  }

  get connections(): number {
    return [...this.#pools.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Services on one host share its connections. */
  poolFor(url: string): FrontEndPool {
    const { origin, protocol, hostname, port } = new URL(url);
    let pool = this.#pools.get(origin);
    if (!pool) {
      const cleartext = protocol === "http:";
      const frontEnd = {
        hostname,
        port: Number(port) || (cleartext ? 80 : HTTPS_PORT),
        cleartext,
        roots: this.#options.frontEndRoots,
      };
      const { idleConnectionMs = IDLE_CONNECTION_MS, keepAliveMs = KEEP_ALIVE_MS } = this.#options.limits ?? {};
      pool = new FrontEndPool(frontEnd, { idleMs: idleConnectionMs, keepAliveMs });
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  /** Forgets front ends that no route leads to; their last streams have been cut, or end by themselves. */
  keep(routes: readonly TunnelRoute[]): void {
    const origins = new Set(routes.map(({ url }) => new URL(url).origin));
    for (const [origin, pool] of this.#pools) {
      if (origins.has(origin)) continue;
      this.#pools.delete(origin);
      void pool.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }
}
