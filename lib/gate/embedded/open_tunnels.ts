import type { CarryWatch } from "./carry.ts";
import type { Counters } from "./counters.ts";
import type { TcpEnd } from "./end.ts";
import type { OpenStream } from "./route_table.ts";
import type { TunnelEnded } from "./tunnel.ts";

/** How often streams that are held back are asked whether they are there still. */
const LOOK_MS = 1_000;

/** The streams that are open on one thread: counted, limited, ended when they are idle. */
export class OpenTunnels {
  readonly #counters: Counters;
  readonly #most: number;
  readonly #open = new Set<OpenStream & { mesh: TcpEnd }>();
  #looking: ReturnType<typeof setInterval> | undefined;
  #whenNone: (() => void)[] = [];

  constructor(counters: Counters, most: number) {
    this.#counters = counters;
    this.#most = most;
  }

  /** Runs `carryOn` unless a limit forbids; `streams` has it as long as it is open. */
  async run(
    { service, mesh, streams }: { service: string; mesh: TcpEnd; streams: Set<OpenStream> },
    { most, idleTimeoutMs }: { most: number; idleTimeoutMs: number },
    carryOn: (mesh: TcpEnd, watch: CarryWatch, signal: AbortSignal) => Promise<TunnelEnded>,
  ): Promise<TunnelEnded> {
    const counters = this.#counters.of(service);
    const count = (ended: TunnelEnded) => {
      counters.results[ended.result] = (counters.results[ended.result] ?? 0) + 1;
      return ended;
    };
    if (this.#open.size >= this.#most || counters.open >= most) {
      mesh.reset();
      return count({ result: "refused", reason: `${this.#open.size} tunnels, ${counters.open} of this service` });
    }
    const cutting = new AbortController();
    const stream = { cut: () => cutting.abort(), mesh };
    const idle = new IdleClock(idleTimeoutMs, stream.cut);
    const watch: CarryWatch = {
      in: (bytes) => {
        counters.in += bytes;
        idle.moved();
      },
      out: (bytes) => {
        counters.out += bytes;
        idle.moved();
      },
    };
    counters.open++;
    this.#open.add(stream);
    this.#looking ??= setInterval(() => this.#lookForResets(), LOOK_MS);
    streams.add(stream);
    try {
      const ended = await carryOn(mesh, watch, cutting.signal);
      return count(idle.isOver ? { result: "idle" } : cutting.signal.aborted ? { result: "ok" } : ended);
    } finally {
      idle.stop();
      counters.open--;
      this.#open.delete(stream);
      streams.delete(stream);
      if (this.#open.size === 0) this.#none();
    }
  }

  cutAll(): void {
    for (const stream of [...this.#open]) stream.cut();
  }

  #none(): void {
    clearInterval(this.#looking);
    this.#looking = undefined;
    this.#whenNone.splice(0).forEach((tell) => tell());
  }

  async #lookForResets(): Promise<void> {
    for (const { mesh, cut } of [...this.#open]) if (await mesh.wasResetWhileStalled()) cut();
  }

  /** Resolves when none is open. */
  async settled(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#whenNone.push(resolve));
  }
}

/** Calls `onIdle` when nothing has moved for a while; what moves costs no timer. */
class IdleClock {
  isOver = false;
  readonly #timeoutMs: number;
  readonly #onIdle: () => void;
  #movedAtMs = performance.now();
  #timer: ReturnType<typeof setTimeout>;

  constructor(timeoutMs: number, onIdle: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onIdle = onIdle;
    this.#timer = setTimeout(() => this.#look(), timeoutMs);
  }

  moved(): void {
    this.#movedAtMs = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const leftMs = this.#movedAtMs + this.#timeoutMs - performance.now();
    if (leftMs > 0) {
      this.#timer = setTimeout(() => this.#look(), leftMs);
      return;
    }
    this.isOver = true;
    this.#onIdle();
  }
}
