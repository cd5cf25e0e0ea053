/** When to renew what ends: at two thirds of its real life, spread by up to a tenth so that instances do not come all at once. */
export function renewAfterMs(
  life: { issuedAt: number; expiresAt: number },
  random: () => number = Math.random,
): number {
  const wholeMs = Math.max(0, life.expiresAt - life.issuedAt);
  return Math.max(1_000, wholeMs * (2 / 3) * (1 - 0.1 * random()));
}

export interface BackOff {
  /** @default {1000} */
  firstMs?: number;
  /** @default {60000} */
  longestMs?: number;
  random?: (() => number) | undefined;
}

/** What one API server is asked for, and has to be found again soon after an outage: {@link BackOff.longestMs}. */
export const SOON_AGAIN_MS = 15_000;

/** Wait before the next try after `failures` in a row: the first one doubled up to the longest, half of it random. */
export function backOffMs(failures: number, options: BackOff = {}): number {
  const { firstMs = 1_000, longestMs = 60_000, random = Math.random } = options;
  const fullMs = Math.min(longestMs, firstMs * 2 ** Math.max(0, failures - 1));
  return fullMs / 2 + (fullMs / 2) * random();
}
