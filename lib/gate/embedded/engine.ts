import { Problem, reasonOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { canAbort, closeAbortLibrary } from "../../base/tcp_abort.ts";
import type { Gate, GateEngine, GateOptions, GateRoutes, GateStats } from "../route.ts";
import { checkRoutes } from "./check_routes.ts";
import { sumStats } from "./counters.ts";
import { GateServer } from "./gate_server.ts";
import { OncePerMinute } from "./once_per_minute.ts";
import type { GateThread, ThreadCalls, ThreadOptions } from "./thread.ts";
import { WorkerThread } from "./worker_thread.ts";

const MOST_WORKERS = 64;

const log = logger("hgate", "gate");

/** The gate in this process, without Envoy. */
export const embeddedGate: GateEngine = {
  name: "embedded",
  serve: (options) => serveEmbeddedGate(options),
};

/** {@link embeddedGate}'s `serve`, with another worker module where a test wants one. */
export async function serveEmbeddedGate(options: GateOptions, workerUrl?: URL): Promise<Gate> {
  const tried = `serve the gate on ports ${Object.values(options.ports).join(", ")}`;
  if (Deno.build.os === "linux" && !canAbort()) {
    // Without it a reset from Cloud Run would reach the mesh as a clean end.
    throw new Problem({ tried, got: "libc cannot be called", fix: "run or compile with --allow-ffi" });
  }
  const threads = Math.min(MOST_WORKERS, Math.max(1, Math.trunc(options.workers ?? 1)));
  const calls = callsOf(options);
  const first = new GateServer(calls);
  const { threadOptions, ports } = await openPorts(first, options, threads).catch((error) => {
    throw new Problem({ tried, got: reasonOf(error), fix: "free the ports, or choose others", cause: error });
  });
  const workers = Array.from({ length: threads - 1 }, () => new WorkerThread(calls, workerUrl));
  const gate = new EmbeddedGate(ports, first, workers, options.allowCleartext ?? false);
  try {
    await Promise.all(workers.map((worker) => worker.serve({ ...threadOptions, ports })));
    gate.watch();
    return gate;
  } catch (error) {
    await gate[Symbol.asyncDispose]();
    throw new Problem({ tried: `${tried} with ${threads} threads`, got: reasonOf(error), cause: error });
  }
}

function callsOf({ tokens, onUnknownName }: GateOptions): ThreadCalls {
  // Every thread has its own count of minutes; this one is all threads'.
  const names = new OncePerMinute();
  const tell = onUnknownName ??
    ((serverName: string) => log.warn("closed a connection that asks for an unknown service", { serverName }));
  return { tokens, onUnknownName: (serverName) => names.allows(serverName) && tell(serverName) };
}

async function openPorts(
  first: GateServer,
  { tokens: _, onUnknownName: __, workers: ___, ...options }: GateOptions,
  threads: number,
): Promise<{ threadOptions: ThreadOptions; ports: GateOptions["ports"] }> {
  const on = async (hostname: string) => {
    const threadOptions = { ...options, hostname, threads };
    return { threadOptions, ports: await first.serve(threadOptions) };
  };
  if (options.hostname !== undefined) return await on(options.hostname);
  try {
    return await on("::");
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw error;
    return await on("0.0.0.0");
  }
}

class EmbeddedGate implements Gate {
  readonly ports: GateOptions["ports"];
  readonly ended: Promise<void>;
  readonly #threads: readonly GateThread[];
  readonly #workers: readonly WorkerThread[];
  readonly #allowCleartext: boolean;
  readonly #settle: { resolve(): void; reject(error: unknown): void };
  #closing: Promise<void> | undefined;

  constructor(ports: GateOptions["ports"], first: GateServer, workers: readonly WorkerThread[], cleartext: boolean) {
    this.ports = ports;
    this.#threads = [first, ...workers];
    this.#workers = workers;
    this.#allowCleartext = cleartext;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.ended.catch(() => {}); // for who does not look at it
    this.#settle = { resolve, reject };
  }

  /** From now on the death of a worker ends the gate. */
  watch(): void {
    for (const worker of this.#workers) worker.died.catch((error) => this.#fail(error));
  }

  async update(routes: GateRoutes): Promise<void> {
    checkRoutes(routes, this.#allowCleartext);
    await Promise.all(this.#threads.map((thread) => thread.update(routes)));
  }

  async stats(): Promise<GateStats> {
    return sumStats(await Promise.all(this.#threads.map((thread) => thread.stats())));
  }

  async drain(limitMs: number): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.drain(limitMs)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    this.#settle.resolve();
  }

  #close(): Promise<void> {
    return this.#closing ??= Promise.all(this.#threads.map((thread) => thread.close())).then(closeAbortLibrary);
  }

  /** Connections that the kernel gives to a dead thread would hang: better that nothing is served, and loudly. */
  async #fail(error: unknown): Promise<void> {
    if (this.#closing) return;
    await this.#close();
    const tried = `serve the gate on ports ${Object.values(this.ports).join(", ")}`;
    this.#settle.reject(new Problem({ tried, got: `a thread died: ${reasonOf(error)}`, cause: error }));
  }
}
