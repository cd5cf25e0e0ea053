import { ConnectionError, ErrorCode } from "./errors.ts";

/** An allowance that refills with time. */
export interface FloodLimit {
  /** What the error names, e.g. `PING`. */
  what: string;
  burst: number;
  perSecond: number;
}

/** Frames that cost us an answer or work and their sender next to nothing (CVE-2019-9512, -9514, -9515, -9518). */
export const CHEAP_FRAMES: FloodLimit = { what: "control frames", burst: 1_000, perSecond: 200 };

/** Streams reset before they were answered: rapid reset, CVE-2023-44487. A front end that cancels its whole 100 streams a few times stays below. */
export const EARLY_RESETS: FloodLimit = { what: "streams reset unanswered", burst: 500, perSecond: 100 };

/** Throws ENHANCE_YOUR_CALM once more was spent than the limit allows. */
export class FloodGuard {
  readonly #limit: FloodLimit;
  readonly #nowMs: () => number;
  #left: number;
  #atMs: number;

  constructor(limit: FloodLimit, nowMs: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#nowMs = nowMs;
    this.#left = limit.burst;
    this.#atMs = nowMs();
  }

  /** @throws {ConnectionError} */
  spend(): void {
    if (this.#left < 1) {
      const nowMs = this.#nowMs();
      this.#left = Math.min(this.#limit.burst, this.#left + (nowMs - this.#atMs) / 1_000 * this.#limit.perSecond);
      this.#atMs = nowMs;
      if (this.#left < 1) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, `too many ${this.#limit.what}`);
    }
    this.#left--;
  }
}
