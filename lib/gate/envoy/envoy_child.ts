import { endProcess, OutputTail } from "../../base/child.ts";
import { Problem, reasonOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { pause } from "../../base/pause.ts";

const log = logger("hgate", "envoy");

/** Envoy ends its streams at once on SIGTERM; what it does after that is not worth more. */
const STOP_MS = 2_000;
/** An Envoy that lived this long starts anew with the shortest wait. */
const STABLE_MS = 60_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 10_000;
/** Ends in a row after which the gate is lost: another machine may do better. */
const MOST_ENDS = 8;

export interface EnvoyChildOptions {
  path: string;
  configPath: string;
  /** Threads that serve. */
  workers: number;
  /** Called when one has ended and another will be started. */
  onEnd?: () => void;
}

/** Envoy as a child that is started again, with back-off, whenever it ends by itself. */
export class EnvoyChild implements AsyncDisposable {
  /** Rejects when Envoy does not stay. */
  readonly lost: Promise<never>;
  /** Resolves when the first one has ended. */
  readonly firstEnd: Promise<unknown>;
  readonly #options: EnvoyChildOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #child: Deno.ChildProcess;
  #output: OutputTail;

  /** @throws {Problem} it cannot be started */
  constructor(options: EnvoyChildOptions) {
    this.#options = options;
    [this.#child, this.#output] = this.#start();
    this.firstEnd = this.#child.status;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.lost = promise;
    this.#running = this.#keep().catch(reject);
  }

  get pid(): number {
    return this.#child.pid;
  }

  #start(): [Deno.ChildProcess, OutputTail] {
    const { path, configPath, workers } = this.#options;
    try {
      const child = new Deno.Command(path, {
        args: ["-c", configPath, "--disable-hot-restart", "--log-level", "warning", "--concurrency", `${workers}`],
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      return [child, new OutputTail([child.stderr], (line) => log.debug(line))];
    } catch (error) {
      throw new Problem({
        tried: `start ${path}`,
        got: reasonOf(error),
        fix: "give the path of an Envoy",
        cause: error,
      });
    }
  }

  async #keep(): Promise<void> {
    for (let ends = 0;;) {
      const startedMs = performance.now();
      const { code, signal } = await this.#child.status;
      if (this.#stop.signal.aborted) return;
      await this.#output.settle();
      ends = performance.now() - startedMs > STABLE_MS ? 1 : ends + 1;
      const reason = `Envoy ended with ${signal ?? code}: ${this.#output.text()}`;
      if (ends >= MOST_ENDS) throw new Problem({ tried: `run ${this.#options.path}, ${ends} times`, got: reason });
      const waitMs = Math.round(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (ends - 1)) * (0.5 + Math.random() / 2));
      log.error(`${reason}; it is started again in ${waitMs} ms`);
      this.#options.onEnd?.();
      await pause(waitMs, this.#stop.signal).catch(() => {});
      if (this.#stop.signal.aborted) return;
      [this.#child, this.#output] = this.#start();
    }
  }

  /** The last words of the one that runs or ran. */
  async lastWords(): Promise<string> {
    await this.#output.settle();
    return this.#output.text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the gate ends"));
    await endProcess(this.#child, STOP_MS);
    await this.#running;
  }
}
