import { Problem, reasonOf } from "../base/errors.ts";
import { canAbort, closeAbortLibrary } from "../base/tcp_abort.ts";
import type { BegunThreads, TunnelEnd, TunnelEngine, TunnelOptions, TunnelStats } from "./engine.ts";
import { openPort } from "./listen.ts";
import { TunnelServer } from "./server.ts";
import { WorkerThread } from "./worker_thread.ts";

const PORT = 15_009;
const MOST_WORKERS = 64;

/** The tunnel's end in this process: HTTP/2 of our own, since neither `Deno.serve` nor `node:http2` nor Envoy carries every way of closing. */
export const krunTunnel: TunnelEngine = {
  name: "krun",
  serve: (options) => serveKrunTunnel(options),
};

/** {@link krunTunnel}'s `serve`, with another worker module where a test wants one. */
export async function serveKrunTunnel(options: TunnelOptions, workerUrl?: URL): Promise<TunnelEnd> {
  const wanted = options.port ?? PORT;
  const tried = `serve tunnels on port ${wanted}`;
  if (Deno.build.os === "linux" && !canAbort()) {
    // Without it a client's reset would reach the app as a clean end.
    throw new Problem({ tried, got: "libc cannot be called", fix: "run or compile with --allow-ffi" });
  }
  const workers = options.threads?.take() ?? makeThreads(options.workers, workerUrl);
  const threads = workers.length + 1;
  let server: TunnelServer;
  try {
    const open = options.open ?? openPort({ port: wanted, hostname: options.hostname, shared: threads > 1 });
    const { port, hostname } = open;
    const { routes, appPort, limits } = options;
    server = new TunnelServer({ port, hostname, routes, appPort, shared: threads > 1, limits }, open.take());
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
  const end = new KrunTunnelEnd(server, workers);
  try {
    await end.startWorkers();
  } catch (error) {
    await end[Symbol.asyncDispose]();
    throw new Problem({ tried: `${tried} with ${threads} threads`, got: reasonOf(error), cause: error });
  }
  return end;
}

/** Threads that load their modules before there is a port to serve; disposing ends those that nobody has taken. */
export function beginThreads(workers: number): BegunThreads {
  const begun = makeThreads(workers);
  const take = () => begun.splice(0);
  return {
    take,
    [Symbol.dispose]: () => take().forEach((worker) => worker.terminate()),
  };
}

/** All but the one that is there. */
function makeThreads(workers = 1, url?: URL): WorkerThread[] {
  const threads = Math.min(MOST_WORKERS, Math.max(1, Math.trunc(workers)));
  return Array.from({ length: threads - 1 }, () => new WorkerThread(url));
}

class KrunTunnelEnd implements TunnelEnd {
  readonly port: number;
  readonly ended: Promise<void>;
  readonly #server: TunnelServer;
  readonly #workers: readonly WorkerThread[];
  #closing: Promise<void> | undefined;
  #settle: { resolve(): void; reject(error: unknown): void };

  constructor(server: TunnelServer, workers: readonly WorkerThread[]) {
    this.port = server.port;
    this.#server = server;
    this.#workers = workers;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#settle = { resolve, reject };
  }

  async startWorkers(): Promise<void> {
    const options = { ...this.#server.options, port: this.port };
    await Promise.all(this.#workers.map((worker) => worker.serve(options)));
    for (const worker of this.#workers) worker.died.catch((error) => this.#fail(error));
  }

  async stats(): Promise<TunnelStats> {
    const all = await Promise.all([this.#server.stats, ...this.#workers.map((worker) => worker.stats())]);
    return all.reduce((sum, one) => ({
      tunnelsOpen: sum.tunnelsOpen + one.tunnelsOpen,
      tunnelsTotal: sum.tunnelsTotal + one.tunnelsTotal,
      bytesIn: sum.bytesIn + one.bytesIn,
      bytesOut: sum.bytesOut + one.bytesOut,
    }));
  }

  async drain(limitMs: number): Promise<void> {
    await Promise.all([this.#server.drain(limitMs), ...this.#workers.map((worker) => worker.drain(limitMs))]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    this.#settle.resolve();
  }

  #close(): Promise<void> {
    return this.#closing ??= Promise.all([this.#server, ...this.#workers].map((part) => part.close())).then(
      closeAbortLibrary,
    );
  }

  /** Connections that hash to a dead thread would hang: better that nothing is served, and loudly. */
  async #fail(error: unknown): Promise<void> {
    if (this.#closing) return;
    await this.#close();
    this.#settle.reject(
      new Problem({
        tried: `serve tunnels on port ${this.port}`,
        got: `a thread died: ${reasonOf(error)}`,
        cause: error,
      }),
    );
  }
}
