import { writeAtomically } from "../../base/atomic_file.ts";
import { Problem, reasonOf } from "../../base/errors.ts";
import { type Logger, logger } from "../../base/log.ts";
import { pause } from "../../base/pause.ts";
import { type EnvoyAdmin, envoyAdmin } from "./admin.ts";
import { learnPorts, type MeshPorts, NOTHING_LEARNT } from "./learn.ts";
import { paths, type ResourceFile } from "./files.ts";
import { scopesFile } from "./routes.ts";
import { type FileOptions, filterFiles } from "./whitebox_files.ts";

export interface WatchOptions extends FileOptions {
  /** Ports that are HTTP though nothing in the mesh says so. @default {[]} */
  extraPorts?: readonly number[];
  /** @default {envoyAdmin()} at 127.0.0.1:15000 */
  admin?: EnvoyAdmin;
  /** How long Envoy has until it works with what was learnt first. @default {10_000} */
  readyTimeoutMs?: number;
  /** Time between two looks while the mesh is unchanged. @default {5_000} */
  intervalMs?: number;
  /** Waits; rejects when `signal` is aborted. @default a timer */
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds that only go up. @default {performance.now} */
  now?: () => number;
  log?: Logger;
}

/** The proxy's routes, kept in step with the mesh until it is disposed of. */
export interface WhiteboxWatch extends AsyncDisposable {
  /**
   * Resolves as soon as Envoy works with the files and has istiod's routes: an app started after that finds the mesh.
   * Rejects with a {@link Problem} when Envoy doesn't take them within `readyTimeoutMs`.
   */
  readonly ready: Promise<void>;
  /** What Envoy works with now. */
  readonly ports: MeshPorts;
}

/** Time between two looks while Envoy hasn't yet taken what was written: an app waits for it, and Envoy takes milliseconds. */
const FIRST_LOOK_MS = 2;
const LONGEST_LOOK_MS = 50;
/** The first seconds of a sidecar are when istiod's answers come in parts. */
const EAGER_FOR_MS = 10_000;
const EAGER_MS = 500;
/** An answer of Envoy's admin port, which its main thread may delay while a large mesh is being loaded. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Learns the mesh's ports from a ready Envoy and writes the files. From then on the files follow the mesh. An Envoy that is away for a while (restart) is
 * waited for.
 */
export function watchWhitebox(options: WatchOptions): WhiteboxWatch {
  return new Follower(options);
}

class Follower implements WhiteboxWatch {
  readonly ready: Promise<void>;
  ports: MeshPorts = NOTHING_LEARNT;
  readonly #options: WatchOptions;
  readonly #admin: EnvoyAdmin;
  readonly #sleep: NonNullable<WatchOptions["sleep"]>;
  readonly #now: () => number;
  readonly #write: NonNullable<WatchOptions["writeFile"]>;
  readonly #log: Logger;
  readonly #stopped = new AbortController();
  #fingerprint: string | undefined;
  /** Ports whose routes istiod has not sent in time; nothing is sent there until it has. */
  #late: ReadonlySet<number> = new Set();
  /** Versions of the files as they are, by path. */
  readonly #written = new Map<string, string>();
  readonly #following: Promise<void>;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#admin = options.admin ?? envoyAdmin();
    this.#sleep = options.sleep ?? pause;
    this.#now = options.now ?? (() => performance.now());
    this.#write = options.writeFile ?? writeAtomically;
    this.#log = options.log ?? logger("krun", "whitebox");
    this.ready = this.#look(options.readyTimeoutMs ?? 10_000);
    this.#following = this.ready.then(() => this.#follow(), () => {}); // who awaits `ready` learns why
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const began = this.#now();
    let away = "";
    while (!this.#stopped.signal.aborted) {
      const eager = this.#now() - began < EAGER_FOR_MS;
      try {
        await this.#sleep(eager ? EAGER_MS : this.#options.intervalMs ?? 5_000, this.#stopped.signal);
        await this.#look(ANSWER_TIMEOUT_MS);
        away = "";
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        const reason = reasonOf(error);
        if (reason !== away) this.#log.warn("can't follow the mesh's ports; trying again", { reason });
        away = reason;
      }
    }
  }

  /** One look at Envoy; does nothing more when istiod has sent nothing new. */
  async #look(timeoutMs: number): Promise<void> {
    const fingerprint = await this.#admin.fingerprint(this.#answerSignal());
    if (fingerprint === this.#fingerprint && this.#late.size === 0) return;
    const ports = learnPorts(await this.#admin.dumps(this.#answerSignal()), this.#options.extraPorts);
    await this.#bring(ports, timeoutMs);
    this.#fingerprint = fingerprint;
  }

  /**
   * Scopes before the Lua that sends requests to them, and away only after it: in between, a scope without routes would answer 404 for hosts that
   * have nothing to do with the mesh.
   */
  async #bring(ports: MeshPorts, timeoutMs: number): Promise<void> {
    const wanted = ports.httpPorts;
    const both = [...new Set([...wanted, ...this.ports.httpPorts])].sort((a, b) => a - b);
    const scopes = scopesFile(both);
    const scopesPath = paths(this.#options.directory).scopes;
    await this.#replace(scopesPath, scopes);
    await this.#untilTaken(timeoutMs, (taken) => taken.scopesVersion === scopes.version ? [] : ["the scopes"]);
    const late = await this.#lateRoutes(timeoutMs, wanted);
    const wantedFilters = filterFiles({ ...ports, httpPorts: wanted.filter((port) => !late.has(port)) }, this.#options);
    let changed = false;
    for (const [path, file] of wantedFilters) changed = await this.#replace(path, file) || changed;
    await this.#untilTaken(
      timeoutMs,
      (taken) =>
        [...wantedFilters].filter(([, { version }]) => !taken.filterVersions.has(version)).map(([path]) => path),
    );
    if (both.length > wanted.length) await this.#replace(scopesPath, scopesFile(wanted));
    this.ports = ports;
    if (!changed) return;
    this.#log.info("the mesh's ports are known", {
      httpPorts: wanted.join(","),
      services: ports.services.size,
      outsideAllowed: ports.outsideAllowed,
    });
  }

  async #replace(path: string, file: ResourceFile): Promise<boolean> {
    if (this.#written.get(path) === file.version) return false;
    await this.#write(path, file.content);
    this.#written.set(path, file.version);
    return true;
  }

  /** Waits for istiod's routes of `ports`. One port that istiod has nothing for must not keep the app from starting, so this ends without it. */
  async #lateRoutes(timeoutMs: number, ports: readonly number[]): Promise<ReadonlySet<number>> {
    const deadline = this.#now() + timeoutMs;
    for (let waitMs = FIRST_LOOK_MS;; waitMs = longer(waitMs)) {
      const { routes } = await this.#admin.taken(this.#answerSignal());
      const late = ports.filter((port) => !routes.has(`${port}`));
      const unexpected = late.filter((port) => !this.#late.has(port));
      if (unexpected.length > 0 && this.#now() < deadline) {
        await this.#sleep(waitMs, this.#stopped.signal);
        continue;
      }
      if (unexpected.length > 0) {
        this.#log.warn("istiod sends no routes for some ports; hosts there are taken for hosts outside the mesh", {
          ports: unexpected.join(","),
        });
      }
      return this.#late = new Set(late);
    }
  }

  async #untilTaken(
    timeoutMs: number,
    missing: (taken: Awaited<ReturnType<EnvoyAdmin["taken"]>>) => string[],
  ): Promise<void> {
    const deadline = this.#now() + timeoutMs;
    for (let waitMs = FIRST_LOOK_MS;; waitMs = longer(waitMs)) {
      const lacking = missing(await this.#admin.taken(this.#answerSignal()));
      if (lacking.length === 0) return;
      if (this.#now() >= deadline) {
        throw new Problem({
          tried: "wait for Envoy to work with the routes of whitebox mode",
          got: `still without ${lacking.slice(0, 5).join(", ")}${lacking.length > 5 ? ", …" : ""}`,
          fix: "look for rejected configuration in Envoy's log, and at http://127.0.0.1:15000/config_dump",
        });
      }
      await this.#sleep(waitMs, this.#stopped.signal);
    }
  }

  #answerSignal(): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  }
}

function longer(waitMs: number): number {
  return Math.min(LONGEST_LOOK_MS, waitMs * 1.5);
}
