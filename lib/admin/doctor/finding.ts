/** How a check came out; `skip` where it could not be looked at from here, or has no meaning while another one fails. */
export type State = "pass" | "warn" | "fail" | "skip";

/** What a check makes of the facts. */
export interface Verdict {
  state: State;
  /** What was seen, in a line; of a `skip`, why nothing was. */
  seen: string;
  /** The command that mends it. */
  fix?: string;
}

/** A check's line in the report. */
export interface Finding extends Verdict {
  /** `mesh-env.roots`; stays the same for scripts. */
  id: string;
  /** The first part of the id. */
  group: string;
  /** What holds where it passes. */
  title: string;
}

export type Counts = Readonly<Record<State, number>>;

export function pass(seen: string): Verdict {
  return { state: "pass", seen };
}

export function warn(seen: string, fix?: string): Verdict {
  return { state: "warn", seen, ...(fix ? { fix } : {}) };
}

export function fail(seen: string, fix?: string): Verdict {
  return { state: "fail", seen, ...(fix ? { fix } : {}) };
}

export function skip(seen: string, fix?: string): Verdict {
  return { state: "skip", seen, ...(fix ? { fix } : {}) };
}

export function countsOf(findings: readonly Finding[]): Counts {
  const count = (wanted: State) => findings.filter(({ state }) => state === wanted).length;
  return { pass: count("pass"), warn: count("warn"), fail: count("fail"), skip: count("skip") };
}
