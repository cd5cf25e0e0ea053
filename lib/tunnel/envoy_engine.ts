import { canBind } from "../base/can_bind.ts";
import { pause } from "../base/pause.ts";
import { endProcess, OutputTail } from "../base/child.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import type { TunnelEnd, TunnelEngine, TunnelOptions, TunnelStats } from "./engine.ts";
import { ENVOY_LISTENER, envoyTunnelOverride } from "./envoy.ts";
import { EnvoyAdmin } from "./envoy_admin.ts";

const START_MS = 15_000;
const POLL_MS = 10;
const STOP_MS = 2_000;

/**
 * The tunnel's end in an Envoy of its own, with {@link envoyTunnelOverride} as its bootstrap: the configuration that the sidecar's Envoy
 * would get, by itself and behind the interface of krun's own end. Use it only where `envoyKeepsTunnelEnds` says so.
 *
 * @param envoyPath the binary
 */
export function envoyTunnel(envoyPath: string): TunnelEngine {
  return { name: "envoy", serve: (options) => startEnvoy(envoyPath, options) };
}

async function startEnvoy(envoyPath: string, options: TunnelOptions): Promise<TunnelEnd> {
  const directory = await Deno.makeTempDir({ prefix: "envoy-tunnel-" });
  const admin = new EnvoyAdmin(`${directory}/admin`);
  const bootstrap = {
    admin: { address: { pipe: { path: admin.path, mode: 0o600 } } },
    static_resources: envoyTunnelOverride({
      ...options,
      ...!options.hostname && !canBind("::") && { hostname: "0.0.0.0" },
    }),
  };
  const config = `${directory}/bootstrap.json`;
  const tried = `serve tunnels with ${envoyPath}`;
  let child: Deno.ChildProcess;
  try {
    await Deno.writeTextFile(config, JSON.stringify(bootstrap));
    child = new Deno.Command(envoyPath, {
      args: ["-c", config, "--disable-hot-restart", "--log-level", "error", "--concurrency", `${options.workers ?? 1}`],
      stdout: "null",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    await Deno.remove(directory, { recursive: true });
    throw new Problem({ tried, got: reasonOf(error), cause: error });
  }
  const output = new OutputTail([child.stderr], () => {});
  const end = new EnvoyTunnelEnd(child, admin, directory, output);
  try {
    await end.untilListening();
  } catch (error) {
    await end[Symbol.asyncDispose]();
    throw new Problem({ tried, got: `${reasonOf(error)} ${output.text()}`.trim(), cause: error });
  }
  return end;
}

class EnvoyTunnelEnd implements TunnelEnd {
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #admin: EnvoyAdmin;
  readonly #directory: string;
  readonly #output: OutputTail;
  #port = 0;
  #exited = false;
  #closing: Promise<void> | undefined;
  /** Read before Envoy went: its counters end with it. */
  #lastStats: TunnelStats = { tunnelsOpen: 0, tunnelsTotal: 0, bytesIn: 0, bytesOut: 0 };

  constructor(child: Deno.ChildProcess, admin: EnvoyAdmin, directory: string, output: OutputTail) {
    this.#child = child;
    this.#admin = admin;
    this.#directory = directory;
    this.#output = output;
    this.ended = child.status.then(async ({ code, signal }) => {
      this.#exited = true;
      if (this.#closing) return;
      await this.#output.settle();
      throw new Problem({
        tried: `serve tunnels on port ${this.#port}`,
        got: `Envoy ended with ${signal ?? code}: ${this.#output.text()}`,
      });
    });
    this.ended.catch(() => {});
  }

  get port(): number {
    return this.#port;
  }

  async untilListening(): Promise<void> {
    const untilMs = performance.now() + START_MS;
    for (;;) {
      const port = await this.#admin.listenerPort(ENVOY_LISTENER).catch(() => undefined);
      if (port && (await this.#admin.ask("GET", "/ready").catch(() => "")).startsWith("LIVE")) {
        this.#port = port;
        return;
      }
      if (this.#exited) {
        await this.#output.settle();
        throw new Error("Envoy ended at its start:");
      }
      if (performance.now() > untilMs) throw new Error(`it does not listen after ${START_MS} ms:`);
      await pause(POLL_MS);
    }
  }

  async stats(): Promise<TunnelStats> {
    if (this.#exited || this.#closing) return { ...this.#lastStats, tunnelsOpen: 0 };
    // Clusters of tunnels are named after their port; each tunnel is one connection of its cluster.
    const counters = await this.#admin.stats("^cluster\\.hbone_[0-9]+\\.upstream_cx_");
    const sum = (counter: string) =>
      [...counters].filter(([name]) => name.endsWith(`.upstream_cx_${counter}`)).reduce((all, [, one]) => all + one, 0);
    return this.#lastStats = {
      tunnelsOpen: sum("active"),
      tunnelsTotal: sum("total") - sum("connect_fail"),
      bytesIn: sum("tx_bytes_total"),
      bytesOut: sum("rx_bytes_total"),
    };
  }

  async drain(limitMs: number): Promise<void> {
    const untilMs = performance.now() + limitMs;
    // Answers bring GOAWAY with them from now on, and the port is closed.
    await this.#admin.ask("POST", "/healthcheck/fail").catch(() => {});
    await this.#admin.ask("POST", "/drain_listeners").catch(() => {});
    while (!this.#exited && performance.now() < untilMs && (await this.#active()) > 0) await pause(POLL_MS);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#closing ??= this.#close());
  }

  /** Requests of any kind that are not answered to their end. */
  async #active(): Promise<number> {
    await this.stats();
    const active = await this.#admin.stats("^http\\.hbone\\.downstream_rq_active$");
    return [...active.values()].reduce((all, one) => all + one, 0);
  }

  async #close(): Promise<void> {
    await endProcess(this.#child, STOP_MS);
    await this.#output.settle();
    await Deno.remove(this.#directory, { recursive: true }).catch(() => {});
  }
}
