import type { Fetch } from "../../base/http.ts";

/**
 * By how much another clock is ahead of this one, by a `Date` header (RFC 9110 section 6.6.1), which is cut to the second.
 * @param sentAt, receivedAt by this clock, milliseconds since 1970
 * @returns `undefined` without such a header
 */
export function aheadMs(date: string | null, sentAt: number, receivedAt: number): number | undefined {
  const there = Date.parse(date ?? "");
  return Number.isNaN(there) ? undefined : there + 500 - (sentAt + receivedAt) / 2;
}

/** A way to the network that keeps what `Date` headers say; the quickest answer says it best. */
export function clockWatch(send: Fetch, now: () => number): { fetch: Fetch; aheadMs: () => number | undefined } {
  let best: { tookMs: number; aheadMs: number } | undefined;
  return {
    async fetch(url, init) {
      const sentAt = now();
      const response = await send(url, init);
      const receivedAt = now();
      const ahead = aheadMs(response.headers.get("date"), sentAt, receivedAt);
      const tookMs = receivedAt - sentAt;
      if (ahead !== undefined && tookMs < (best?.tookMs ?? Infinity)) best = { tookMs, aheadMs: ahead };
      return response;
    },
    aheadMs: () => best?.aheadMs,
  };
}
