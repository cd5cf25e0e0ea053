/** Signals that krun passes on; the rest belong to itself (CHLD), cannot be had (KILL, STOP) or say that it is broken (SEGV, …). */
const PASSED_ON = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH"] as const;
/** Of these, what a terminal sends to every process in the foreground: the app has it already. */
const FROM_TERMINAL: readonly string[] = ["SIGINT", "SIGQUIT", "SIGWINCH", "SIGHUP"];

export type PassedOn = typeof PASSED_ON[number];

/** A request to end that came from outside. */
export class Interrupted extends Error {
  constructor(readonly signal: "SIGTERM" | "SIGINT") {
    super(`ended by ${signal}`);
  }

  /** 128 + the signal's number, as shells count. */
  get exitCode(): number {
    return this.signal === "SIGTERM" ? 143 : 130;
  }
}

/** Signals to krun for as long as this is not disposed. */
export interface Signals extends Disposable {
  /** Aborted, with {@link Interrupted}, at the first SIGTERM or SIGINT. */
  readonly first: AbortSignal;
  /** Called at each one that is the app's to have, also for those that came before. */
  onEach(take: (signal: PassedOn) => void): void;
  /** An orderly end as by SIGTERM. */
  quit(): void;
}

/** @param terminal whether the app shares a terminal with krun: then keyboard signals reach it without us */
export function listenForSignals(terminal: boolean = Deno.stdin.isTerminal()): Signals {
  const first = new AbortController();
  const seen: PassedOn[] = [];
  const takers: ((signal: PassedOn) => void)[] = [];
  const got = (signal: PassedOn) => {
    if (signal === "SIGTERM" || signal === "SIGINT") first.abort(new Interrupted(signal));
    if (terminal && FROM_TERMINAL.includes(signal)) return;
    seen.push(signal);
    for (const take of takers) take(signal);
  };
  const handlers = PASSED_ON.map((signal) => {
    const handler = () => got(signal);
    Deno.addSignalListener(signal, handler);
    return () => Deno.removeSignalListener(signal, handler);
  });
  return {
    first: first.signal,
    onEach(take) {
      takers.push(take);
      for (const signal of seen) take(signal);
    },
    quit: () => got("SIGTERM"),
    [Symbol.dispose]: () => handlers.forEach((remove) => remove()),
  };
}
