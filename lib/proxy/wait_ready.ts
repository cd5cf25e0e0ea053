import type { Fetch } from "../base/http.ts";

/** Waits between polls: short at first, since most starts take a few hundred milliseconds. */
export function pollAfterMs(attempt: number): number {
  return Math.min(50, 5 + attempt);
}

/**
 * Polls `url` until it answers 200.
 * @returns false when `limitMs` is over or `signal` is aborted
 */
export async function waitReady(
  url: string,
  options: { limitMs: number; signal: AbortSignal; fetch?: Fetch | undefined; now?: () => number },
): Promise<boolean> {
  const now = options.now ?? (() => performance.now());
  const send = options.fetch ?? (fetch as Fetch);
  const until = now() + options.limitMs;
  for (let attempt = 0; now() < until && !options.signal.aborted; attempt++) {
    const answer = await send(url, { signal: options.signal }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return true;
    await new Promise((resolve) => setTimeout(resolve, pollAfterMs(attempt)));
  }
  return false;
}
