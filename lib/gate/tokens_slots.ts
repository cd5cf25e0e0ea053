/** So many at once and no more: the others wait in their order, except who is in a hurry. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(most: number) {
    this.#free = most;
  }

  /** Waits for a slot; `hurry` ends the wait at once, beyond the limit. Each taken one is given back by {@link release}. */
  take(): { taken: Promise<void>; hurry: () => void } {
    if (this.#free > 0) {
      this.#free--;
      return { taken: Promise.resolve(), hurry: () => {} };
    }
    const { promise: taken, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const hurry = () => {
      if (!this.#waiting.delete(resolve)) return;
      this.#free--;
      resolve();
    };
    return { taken, hurry };
  }

  release(): void {
    this.#free++;
    const [next] = this.#waiting;
    if (next === undefined || this.#free <= 0) return;
    this.#waiting.delete(next);
    this.#free--;
    next();
  }
}
