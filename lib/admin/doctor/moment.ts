const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** `in 29 days`, `3 hours ago`, `in 40 s`: of two units the larger that is more than one. */
export function moment(at: number, now: number): string {
  const far = Math.abs(at - now);
  const text = far >= 2 * DAY_MS
    ? `${Math.floor(far / DAY_MS)} days`
    : far >= 2 * HOUR_MS
    ? `${Math.floor(far / HOUR_MS)} hours`
    : far >= 2 * MINUTE_MS
    ? `${Math.floor(far / MINUTE_MS)} minutes`
    : `${Math.round(far / 1_000)} s`;
  return at < now ? `${text} ago` : `in ${text}`;
}

export const days = (count: number) => count * DAY_MS;
