const MINUTE_MS = 60_000;
/** Whoever invents names gets so many lines a minute. */
const MOST_KEYS = 1_000;

/** Lets each key through once a minute, and not more than a bounded number of keys. */
export class OncePerMinute {
  readonly #nowMs: () => number;
  readonly #mostKeys: number;
  /** In the order of their times, the oldest first. */
  readonly #at = new Map<string, number>();

  constructor(options: { nowMs?: () => number; mostKeys?: number } = {}) {
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#mostKeys = options.mostKeys ?? MOST_KEYS;
  }

  allows(key: string): boolean {
    const nowMs = this.#nowMs();
    for (const [old, atMs] of this.#at) {
      if (nowMs - atMs < MINUTE_MS) break;
      this.#at.delete(old);
    }
    if (this.#at.has(key) || this.#at.size >= this.#mostKeys) return false;
    this.#at.set(key, nowMs);
    return true;
  }
}
