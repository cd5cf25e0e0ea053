import { reasonOf } from "../base/errors.ts";
import { linked } from "../base/linked.ts";
import { logger } from "../base/log.ts";
import { pause } from "../base/pause.ts";
import { MESH_ENV } from "./mesh_env.ts";

const log = logger("krun", "cluster");

export interface MeshEnvWatchOptions<T> {
  /** Reads it, and settles what it says. */
  read: (signal: AbortSignal) => Promise<T>;
  /** Told what each reading says, also when it says the same. What it throws is said once, and it is asked again at the next reading. */
  take: (said: T, signal: AbortSignal) => Promise<void>;
  /** Time from the end of a reading to the next, give or take a tenth: instances that start together do not come together. */
  everyMs: number;
  /** Ends it before its disposal does. */
  signal?: AbortSignal | undefined;
  random?: () => number;
  now?: () => number;
}

export interface MeshEnvWatch extends AsyncDisposable {
  /** When it was last read and taken, milliseconds since 1970. */
  readAt(): number;
}

/**
 * Follows mesh-env by reading it again and again: the Role of a workload grants `get` and no `watch`, as the original's does. A failure
 * costs nothing but the news.
 */
export function watchMeshEnv<T>(options: MeshEnvWatchOptions<T>): MeshEnvWatch {
  const { random = Math.random, now = Date.now } = options;
  const stop = linked(options.signal);
  const { signal } = stop;
  let readAt = now();
  let trouble = "";
  const following = follow();

  async function follow(): Promise<void> {
    for (;;) {
      await pause(options.everyMs * (0.9 + 0.2 * random()), signal).catch(() => {}); // aborted: seen below
      if (signal.aborted) return;
      try {
        await options.take(await options.read(signal), signal);
        if (signal.aborted) return;
        readAt = now();
        if (trouble) log.info(`${MESH_ENV} is followed again`);
        trouble = "";
      } catch (error) {
        if (signal.aborted) return;
        const reason = reasonOf(error);
        if (reason !== trouble) log.warn(`${MESH_ENV} cannot be followed, all stays as it is: ${reason}`);
        trouble = reason;
      }
    }
  }

  return {
    readAt: () => readAt,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("krun ends"));
      await following;
      stop[Symbol.dispose]();
    },
  };
}
