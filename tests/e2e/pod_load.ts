import { NAMESPACE, SERVICE } from "./objects.ts";
import type { E2eWorld } from "./world.ts";

/** What became of the requests of a load. */
export interface LoadResult {
  answered: number;
  /** Requests with another status than 200, or none. */
  failed: number;
  /** All that fortio said. */
  text: string;
}

export interface RunningLoad {
  /** Waits for the end, which comes by itself. */
  result(): Promise<LoadResult>;
  /** Ends it now; what is in flight is waited for. */
  end(): Promise<LoadResult>;
}

/**
 * fortio's load from the injected pod to the app behind krun. It runs by itself in the pod: kubectl would lose it with the API server.
 * @param path e.g. `/echo`
 * @param seconds how long
 */
export async function loadFromPod(
  world: E2eWorld,
  path: string,
  seconds: number,
  { connections = 4, perSecond = 100 } = {},
): Promise<RunningLoad> {
  const file = `/tmp/load-${crypto.randomUUID().slice(0, 8)}`;
  const sh = (script: string) => world.cluster.exec(NAMESPACE, "deployment/echo", "echo", "sh", "-c", script);
  const load =
    `/usr/local/bin/fortio load -allow-initial-errors -log-errors=false -qps ${perSecond} -c ${connections} -t ${seconds}s ` +
    `http://${SERVICE}:8080${path}`;
  const { code, stderr } = await sh(
    `(${load} > ${file} 2>&1 & echo $! > ${file}.pid; wait; echo over >> ${file}) > /dev/null 2>&1 < /dev/null &`,
  );
  if (code !== 0) throw new Error(`no load from the pod: ${stderr}`);
  const until = performance.now() + seconds * 1_000 + 30_000;
  const result = async () => {
    for (;;) {
      const { stdout } = await sh(`cat ${file}`);
      if (/^over$/m.test(stdout)) return loadResult(stdout);
      if (performance.now() > until) throw new Error(`the load does not end:\n${stdout}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };
  return {
    result,
    async end() {
      await sh(`kill -INT $(cat ${file}.pid)`);
      return await result();
    },
  };
}

/** Reads fortio's closing lines, `Code 200 : 1197 (99.8 %)` and `All done 1200 calls (plus 4 warmup)`: those of the warm-up must be answered. */
export function loadResult(text: string): LoadResult {
  const result = { answered: Number(/\(plus (\d+) warmup\)/.exec(text)?.[1] ?? 0), failed: 0, text };
  for (const [, code, count] of text.matchAll(/^Code\s+(-?\d+) : (\d+) \(/gm)) {
    if (code === "200") result.answered += Number(count);
    else result.failed += Number(count);
  }
  return result;
}
