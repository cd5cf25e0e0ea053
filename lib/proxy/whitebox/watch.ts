import { Problem, reasonOf } from "../../base/errors.ts";
import { type Logger, logger } from "../../base/log.ts";
import { type EnvoyAdmin, envoyAdmin } from "./admin.ts";
import { learnPorts, type MeshPorts, NOTHING_LEARNT } from "./learn.ts";
import { paths, type ResourceFile } from "./files.ts";
import type { Forward } from "./forward.ts";
import { forwardFile } from "./forward_resources.ts";
import { luaFile, scopesFile } from "./routes.ts";
import type { NameScope } from "./service_names.ts";

export interface WatchOptions extends NameScope {
  /** As given to {@link whiteboxBootstrap}. */
  directory: string;
  /** As given to {@link whiteboxBootstrap}. @default {[]} */
  forwards?: readonly Forward[];
  /** Ports that are HTTP though nothing in the mesh says so. @default {[]} */
  extraPorts?: readonly number[];
  /** @default {envoyAdmin()} at 127.0.0.1:15000 */
  admin?: EnvoyAdmin;
  /** How long {@link watchWhitebox} waits until Envoy works with what was learnt. @default {10_000} */
  readyTimeoutMs?: number;
  /** Time between two looks while the mesh is unchanged. @default {5_000} */
  intervalMs?: number;
  /** Waits; rejects when `signal` is aborted. @default a timer */
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds that only go up. @default {performance.now} */
  now?: () => number;
  /** Replaces the file `path` by one step, so that no reader sees half of it. @default write beside it and rename */
  writeFile?: (path: string, content: string) => Promise<void>;
  log?: Logger;
}

/** The proxy's routes, kept in step with the mesh until it is disposed of. */
export interface WhiteboxWatch extends AsyncDisposable {
  /** What Envoy works with now. */
  readonly ports: MeshPorts;
}

/** Time between two looks while Envoy hasn't yet taken what was written, and just after the start. */
const FAST_MS = 50;
/** The first seconds of a sidecar are when istiod's answers come in parts. */
const EAGER_FOR_MS = 10_000;
const EAGER_MS = 500;
/** An answer of Envoy's admin port, which its main thread may delay while a large mesh is being loaded. */
const ANSWER_TIMEOUT_MS = 10_000;

/** Writes the files as they are before anything is known of the mesh. Call it before Envoy starts: it does not start without them. */
export async function writeInitialFiles(
  options: Pick<WatchOptions, "directory" | "forwards" | "writeFile" | keyof NameScope>,
): Promise<void> {
  const write = options.writeFile ?? replaceFile;
  await write(paths(options.directory).scopes, scopesFile(NOTHING_LEARNT.httpPorts).content);
  for (const [path, file] of filters(NOTHING_LEARNT, options)) await write(path, file.content);
}

/** The files of discovered filters, by path. */
function filters(
  ports: MeshPorts,
  options: Pick<WatchOptions, "directory" | "forwards" | keyof NameScope>,
): Map<string, ResourceFile> {
  const { lua, forward: path } = paths(options.directory);
  return new Map([
    [lua, luaFile(ports, options)],
    ...(options.forwards ?? []).map((forward) =>
      [path(forward.localPort), forwardFile(forward, ports, options)] as const
    ),
  ]);
}

/**
 * Learns the mesh's ports from a ready Envoy, writes the files, and returns as soon as Envoy works with them and has istiod's routes: an app started
 * after that finds the mesh. From then on the files follow the mesh. An Envoy that is away for a while (restart) is waited for.
 * @throws {Problem} when Envoy doesn't take them within `readyTimeoutMs`
 */
export async function watchWhitebox(options: WatchOptions): Promise<WhiteboxWatch> {
  const follower = new Follower(options);
  try {
    await follower.start();
  } catch (error) {
    await follower[Symbol.asyncDispose]();
    throw error;
  }
  return follower;
}

class Follower implements WhiteboxWatch {
  ports: MeshPorts = NOTHING_LEARNT;
  readonly #options: WatchOptions;
  readonly #admin: EnvoyAdmin;
  readonly #sleep: NonNullable<WatchOptions["sleep"]>;
  readonly #now: () => number;
  readonly #write: NonNullable<WatchOptions["writeFile"]>;
  readonly #log: Logger;
  readonly #stopped = new AbortController();
  #fingerprint = "";
  /** Content of the files as they are, by path. */
  readonly #written = new Map<string, string>();
  #following: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#admin = options.admin ?? envoyAdmin();
    this.#sleep = options.sleep ?? sleep;
    this.#now = options.now ?? (() => performance.now());
    this.#write = options.writeFile ?? replaceFile;
    this.#log = options.log ?? logger("krun", "whitebox");
  }

  async start(): Promise<void> {
    const timeoutMs = this.#options.readyTimeoutMs ?? 10_000;
    await this.#look(timeoutMs);
    this.#following = this.#follow();
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
        if (reason !== away) this.#log.warning("can't follow the mesh's ports; trying again", { reason });
        away = reason;
      }
    }
  }

  /** One look at Envoy; does nothing more when istiod has sent nothing new. */
  async #look(timeoutMs: number): Promise<void> {
    const deadline = this.#now() + timeoutMs;
    const fingerprint = await this.#admin.fingerprint(this.#answerSignal());
    if (fingerprint === this.#fingerprint) return;
    const ports = learnPorts(await this.#admin.dumps(this.#answerSignal()), this.#options.extraPorts);
    await this.#bring(ports, deadline);
    this.#fingerprint = fingerprint;
  }

  /**
   * Scopes before the Lua that sends requests to them, and away only after it: in between, a scope without routes would answer 404 for hosts that
   * have nothing to do with the mesh.
   */
  async #bring(ports: MeshPorts, deadline: number): Promise<void> {
    const wanted = ports.httpPorts;
    const both = [...new Set([...wanted, ...this.ports.httpPorts])].sort((a, b) => a - b);
    const scopes = scopesFile(both);
    const scopesPath = paths(this.#options.directory).scopes;
    await this.#replace(scopesPath, scopes);
    await this.#untilTaken(deadline, (taken) => [
      ...(taken.scopesVersion === scopes.version ? [] : ["the scopes"]),
      ...wanted.filter((port) => !taken.routes.has(`${port}`)).map((port) => `istiod's routes for port ${port}`),
    ]);
    const wantedFilters = filters(ports, this.#options);
    for (const [path, file] of wantedFilters) await this.#replace(path, file);
    await this.#untilTaken(
      deadline,
      (taken) =>
        [...wantedFilters].filter(([, { version }]) => !taken.filterVersions.has(version)).map(([path]) => path),
    );
    if (both.length > wanted.length) await this.#replace(scopesPath, scopesFile(wanted));
    this.ports = ports;
    this.#log.info("the mesh's ports are known", {
      httpPorts: wanted.join(","),
      services: ports.services.size,
      outsideAllowed: ports.outsideAllowed,
    });
  }

  async #replace(path: string, file: ResourceFile): Promise<void> {
    if (this.#written.get(path) === file.content) return;
    await this.#write(path, file.content);
    this.#written.set(path, file.content);
  }

  async #untilTaken(
    deadline: number,
    missing: (taken: Awaited<ReturnType<EnvoyAdmin["taken"]>>) => string[],
  ): Promise<void> {
    for (;;) {
      const lacking = missing(await this.#admin.taken(this.#answerSignal()));
      if (lacking.length === 0) return;
      if (this.#now() >= deadline) {
        throw new Problem({
          tried: "wait for Envoy to work with the routes of whitebox mode",
          got: `still without ${lacking.slice(0, 5).join(", ")}${lacking.length > 5 ? ", …" : ""}`,
          fix: "look for rejected configuration in Envoy's log, and at http://127.0.0.1:15000/config_dump",
        });
      }
      await this.#sleep(FAST_MS, this.#stopped.signal);
    }
  }

  #answerSignal(): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  }
}

async function replaceFile(path: string, content: string): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, content);
  await Deno.rename(`${path}.new`, path);
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", stop, { once: true });
    function done() {
      signal.removeEventListener("abort", stop);
      resolve();
    }
    function stop() {
      clearTimeout(timer);
      reject(signal.reason);
    }
  });
}
