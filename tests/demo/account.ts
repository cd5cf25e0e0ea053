/** Columns of the account; what a program says of itself is wrapped to fit. */
const WIDTH = 100;
/** Of a check's left half. */
const WHAT_WIDTH = 36;

/** The demo's account on the terminal: numbered steps with their times, and findings below them. */
export class Account {
  readonly #write: (text: string) => void;
  readonly #colour: boolean;
  readonly #startedAt = performance.now();
  readonly #found: string[] = [];
  #step = 0;

  constructor(write: (text: string) => void, colour: boolean) {
    this.#write = write;
    this.#colour = colour;
  }

  title(text: string, below: string): void {
    this.#write(`\n${this.#paint(1, text)}\n${this.#paint(2, below)}\n`);
  }

  /** Runs a step, then tells its name, its findings and how long it took; nothing of one that `stop` cuts short. */
  async step<T>(name: string, stop: AbortSignal, run: () => Promise<T>): Promise<T> {
    stop.throwIfAborted();
    this.#found.length = 0;
    const startedAt = performance.now();
    const number = `${String(++this.#step).padStart(2)}  `;
    try {
      const result = await unlessStopped(stop, run());
      const took = `${Math.round(performance.now() - startedAt)} ms`;
      this.#write(`\n${number}${this.#paint(1, name.padEnd(WIDTH - 12))}${this.#paint(2, took.padStart(8))}\n`);
      this.#write(this.#found.join(""));
      return result;
    } catch (error) {
      if (!stop.aborted) this.#write(`\n${number}${this.#paint(31, `${name}: failed`)}\n${this.#found.join("")}`);
      throw error;
    }
  }

  /** A finding of the running step. */
  check(what: string, got: string, ok = true): void {
    this.#found.push(`    ${ok ? this.#paint(32, "✓") : this.#paint(31, "✗")} ${what.padEnd(WHAT_WIDTH)} ${got}\n`);
    if (!ok) throw new Error(`${what}: ${got}`);
  }

  /** What the program under the running step has said, line by line. */
  quote(lines: readonly string[], indent: number): void {
    for (const line of lines) {
      for (const part of wrap(line, WIDTH - 6, indent)) this.#found.push(`    ${this.#paint(2, `│ ${part}`)}\n`);
    }
  }

  /** Text as it is. */
  tell(text: string): void {
    this.#write(text);
  }

  end(text: string, below: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(1);
    this.#write(`\n${this.#paint(1, `Done in ${seconds} s.`)} ${text}\n${this.#paint(2, below)}\n\n`);
  }

  #paint(code: number, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

/** `text` in lines of at most `width` characters, those after the first indented; a longer word stays whole. */
export function wrap(text: string, width: number, indent: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=\S)(?= )/)) {
    if (line !== "" && line.length + word.length > width) {
      lines.push(line);
      line = " ".repeat(indent) + word.trimStart();
    } else {
      line += word;
    }
  }
  return [...lines, line];
}

/** What `work` gives, or the reason of `stop` as soon as there is one. */
export async function unlessStopped<T>(stop: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const end = () => reject(stop.reason);
  stop.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([work, stopped]);
  } catch (error) {
    // Ctrl-C reaches the programs of a terminal all at once: their end may be noticed before our own signal.
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw stop.aborted ? stop.reason : error;
  } finally {
    stop.removeEventListener("abort", end);
    work.catch(() => {});
  }
}
