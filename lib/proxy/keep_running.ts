import { reasonOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { untilAborted } from "../base/on_abort.ts";
import { pause } from "../base/pause.ts";
import type { RunningProxy } from "./engine.ts";

const log = logger("krun", "proxy");

/** A proxy that lived this long starts anew with the shortest wait. */
const STABLE_MS = 60_000;

export interface KeepRunningOptions {
  signal: AbortSignal;
  /** Wait before a start that follows `failures` ends in a row. @default {200 ms doubled up to 10 s, half of it random} */
  waitMs?: (failures: number) => number;
  now?: () => number;
}

/**
 * Starts a proxy, and starts it again, with back-off, whenever it ends by itself, or at once when asked to. The app is left alone meanwhile; a tunnel to the proxy's
 * port is answered with 503 until it is back.
 * @throws the first start's error
 */
export async function keepRunning(
  start: (signal: AbortSignal) => Promise<RunningProxy>,
  options: KeepRunningOptions,
): Promise<RunningProxy> {
  const { waitMs = restartAfterMs, now = () => performance.now() } = options;
  let current = await start(options.signal);
  let startedAt = now();
  let failures = 0;
  let restarts = 0;
  let up = true;
  let isUsed = false;
  const stop = new AbortController();
  const stopped = untilAborted(stop.signal).then(() => undefined);
  let asked = Promise.withResolvers<string>();
  const following = follow();

  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      const wish = asked.promise.then((why) => ({ why }));
      const reason = await Promise.race([current.ended, wish, stopped]);
      if (reason === undefined) return;
      up = false;
      let pauseMs = 0;
      if (typeof reason === "object") {
        log.info(`the proxy is started again: ${reason.why}`);
      } else {
        failures = now() - startedAt > STABLE_MS ? 1 : failures + 1;
        pauseMs = Math.round(waitMs(failures));
        log.error(`the proxy has ended and is started again in ${pauseMs} ms: ${reason}`);
      }
      await current[Symbol.asyncDispose](); // what it left behind holds its ports
      await restart(pauseMs);
    }
  }

  /** As good as the one before: whoever used it finds the mesh as soon as it is back. */
  async function startAgain(): Promise<RunningProxy> {
    const next = await start(stop.signal);
    try {
      if (isUsed) await Promise.race([next.appEnvironment(), stopped]);
      return next;
    } catch (error) {
      await next[Symbol.asyncDispose]();
      throw error;
    }
  }

  async function restart(pauseMs: number): Promise<void> {
    for (;;) {
      await pause(pauseMs, stop.signal).catch(() => {}); // aborted: seen below
      if (stop.signal.aborted) return;
      asked = Promise.withResolvers(); // what was wished up to now is granted by this start
      try {
        current = await startAgain();
        startedAt = now();
        restarts++;
        up = true;
        return log.info("the proxy is back");
      } catch (error) {
        if (stop.signal.aborted) return;
        pauseMs = Math.round(waitMs(++failures));
        log.error(`the proxy cannot be started, next try in ${pauseMs} ms: ${reasonOf(error)}`);
      }
    }
  }

  return {
    get name() {
      return current.name;
    },
    get pids() {
      return current.pids;
    },
    appEnvironment() {
      isUsed = true;
      return current.appEnvironment();
    },
    inboundPort: current.inboundPort,
    ended: new Promise(() => {}),
    drain: () => current.drain(),
    restart: (why) => asked.resolve(why),
    get health() {
      return { up, restarts };
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("krun ends"));
      await following;
      await current[Symbol.asyncDispose]();
    },
  };
}

function restartAfterMs(failures: number): number {
  const fullMs = Math.min(10_000, 200 * 2 ** (failures - 1));
  return fullMs / 2 + (fullMs / 2) * Math.random();
}
