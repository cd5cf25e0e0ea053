/** A request to end that came from outside, before or after the app was started. */
export class Interrupted extends Error {
  constructor(readonly signal: "SIGTERM" | "SIGINT") {
    super(`ended by ${signal}`);
  }

  /** 128 + the signal's number, as shells count. */
  get exitCode(): number {
    return this.signal === "SIGTERM" ? 143 : 130;
  }
}

/** SIGTERM and SIGINT for as long as this is not disposed. */
export interface Signals extends Disposable {
  /** Aborted, with {@link Interrupted}, at the first one. */
  readonly first: AbortSignal;
  /** Called at each one, also for those that came before. */
  onEach(take: (signal: "SIGTERM" | "SIGINT") => void): void;
}

export function listenForSignals(): Signals {
  const first = new AbortController();
  const seen: ("SIGTERM" | "SIGINT")[] = [];
  const takers: ((signal: "SIGTERM" | "SIGINT") => void)[] = [];
  const handlers = (["SIGTERM", "SIGINT"] as const).map((signal) => {
    const handler = () => {
      seen.push(signal);
      first.abort(new Interrupted(signal));
      for (const take of takers) take(signal);
    };
    Deno.addSignalListener(signal, handler);
    return () => Deno.removeSignalListener(signal, handler);
  });
  return {
    first: first.signal,
    onEach(take) {
      takers.push(take);
      for (const signal of seen) take(signal);
    },
    [Symbol.dispose]: () => handlers.forEach((remove) => remove()),
  };
}
