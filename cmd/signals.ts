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
  /** Aborted when the end is not to wait for anybody any more: at a second SIGTERM or SIGINT, or when {@link limitEnd}'s time is over. */
  readonly hurry: AbortSignal;
  /** What the end may take, from the first signal on. */
  limitEnd(limitMs: number): void;
  /** Called at each one that is the app's to have, also for those that came before. */
  onEach(take: (signal: PassedOn) => void): void;
  /** An orderly end as by SIGTERM; asking again changes nothing. */
  quit(): void;
}

/** One wish to end may come twice: to krun and to its process group, as timeout(1) sends it. */
const SAME_WISH_MS = 200;

/** @param terminal whether the app shares a terminal with krun: then keyboard signals reach it without us */
export function listenForSignals(terminal: boolean = Deno.stdin.isTerminal()): Signals {
  const first = new AbortController();
  const hurry = new AbortController();
  const seen: PassedOn[] = [];
  const takers: ((signal: PassedOn) => void)[] = [];
  let firstAt = 0;
  let limitMs: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const startTimer = () => {
    if (limitMs === undefined || !first.signal.aborted || timer) return;
    const reason = new Error(`${limitMs} ms after ${(first.signal.reason as Interrupted).signal}`);
    timer = setTimeout(() => hurry.abort(reason), Math.max(0, firstAt + limitMs - performance.now()));
  };
  const end = (signal: Interrupted["signal"]) => {
    if (!first.signal.aborted) {
      firstAt = performance.now();
      first.abort(new Interrupted(signal));
      startTimer();
    } else if (performance.now() - firstAt > SAME_WISH_MS) hurry.abort(new Error(`a second signal, ${signal}`));
  };
  const got = (signal: PassedOn) => {
    const isKey = terminal && FROM_TERMINAL.includes(signal);
    // At a terminal ^C is a word to the app, which may have another use for it than to end.
    if (isKey && takers.length > 0) return;
    if (signal === "SIGTERM" || signal === "SIGINT") end(signal);
    if (isKey) return;
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
    hurry: hurry.signal,
    limitEnd(ms) {
      limitMs = ms;
      startTimer();
    },
    onEach(take) {
      takers.push(take);
      for (const signal of seen) take(signal);
    },
    quit: () => first.signal.aborted || got("SIGTERM"),
    [Symbol.dispose]() {
      clearTimeout(timer);
      handlers.forEach((remove) => remove());
    },
  };
}
