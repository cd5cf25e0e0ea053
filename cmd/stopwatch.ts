/** Time of each stage of the start, in whole milliseconds. */
export class Stopwatch {
  readonly #startedAt: number;
  #lastAt: number;
  readonly #laps: Record<string, number> = {};

  constructor(private readonly now: () => number = () => performance.now()) {
    this.#startedAt = this.#lastAt = now();
  }

  lap(name: string): void {
    const at = this.now();
    this.#laps[`${name}Ms`] = Math.round(at - this.#lastAt);
    this.#lastAt = at;
  }

  laps(): Readonly<Record<string, number>> {
    return this.#laps;
  }

  totalMs(): number {
    return Math.round(this.#lastAt - this.#startedAt);
  }
}
