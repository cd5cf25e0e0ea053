/** The demo's account on the terminal: numbered steps with their times, and findings below them. */
export class Account {
  #step = 0;
  #startedAt = performance.now();
  readonly #colour: boolean;

  constructor(private readonly write: (text: string) => void, colour: boolean) {
    this.#colour = colour;
  }

  title(text: string): void {
    this.write(`\n${this.#paint(1, text)}\n`);
  }

  /** Runs a step and says how long it took. */
  async step<T>(name: string, run: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const mark = `${String(++this.#step).padStart(2)}  `;
    try {
      const result = await run();
      const took = `${Math.round(performance.now() - startedAt)} ms`;
      this.write(`\n${mark}${this.#paint(1, name.padEnd(84))}${this.#paint(2, took.padStart(8))}\n`);
      for (const line of this.#found) this.write(line);
      return result;
    } catch (error) {
      this.write(`\n${mark}${this.#paint(31, `${name}: failed`)}\n`);
      throw error;
    } finally {
      this.#found.length = 0;
    }
  }

  readonly #found: string[] = [];

  /** A finding of the running step. */
  say(text: string): void {
    this.#found.push(`      ${text}\n`);
  }

  /** A check of the running step: what was looked at and what came. */
  check(what: string, got: string, ok: boolean): void {
    this.#found.push(`      ${ok ? this.#paint(32, "✓") : this.#paint(31, "✗")} ${what.padEnd(58)} ${got}\n`);
    if (!ok) throw new Error(`${what}: ${got}`);
  }

  end(text: string): void {
    this.write(
      `\n${this.#paint(1, text)} ${
        this.#paint(2, `${((performance.now() - this.#startedAt) / 1_000).toFixed(1)} s in all`)
      }\n\n`,
    );
  }

  #paint(code: number, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}
