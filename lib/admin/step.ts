/** A field that is to change. A side that is not there is `undefined`. */
export interface Difference {
  /** `spec.ports[0].port`, `bindings[roles/run.invoker].members` */
  path: string;
  from?: unknown;
  to?: unknown;
}

/** What a goal takes to reach, from what is there now. */
export interface Change {
  action: "create" | "update" | "delete";
  differences: readonly Difference[];
  /**
   * Brings it about. May be called after a run that was cut off anywhere: doing it again is doing it once. A concurrent editor's
   * work is kept or reported, never overwritten.
   */
  apply(signal: AbortSignal): Promise<void>;
}

/** Something outside that a command brings about or takes away, in one place. */
export interface Goal {
  /** For people, the kind first: `Google service account k8s-shop@p.iam.gserviceaccount.com`, `Role shop/krun`. */
  readonly subject: string;
  /** Looks at what is there, and changes nothing. @returns `undefined` where nothing has to be done */
  plan(signal: AbortSignal): Promise<Change | undefined>;
}

const NOT_LOOKED_AT = "not looked at: ";

/** What a {@link Check} says where it cannot be made from here, which is no failure. */
export function notLookedAt(why: string): string {
  return `${NOT_LOOKED_AT}${why}`;
}

export function isNotLookedAt(detail: string): boolean {
  return detail.startsWith(NOT_LOOKED_AT);
}

/** Something that has to hold before the steps behind it are taken: it is asked when its turn comes, not while planning. */
export interface Check {
  /** For people: `request to https://…`. */
  readonly subject: string;
  /** @param progress told what it waits for @returns what was seen, in a few words, or {@link notLookedAt} @throws {Problem} it does not hold */
  check(signal: AbortSignal, progress: (text: string) => void): Promise<string>;
}

export type Step = Goal | Check;

/** What a command is about to do: its steps in their order, and what the reader should know besides. */
export interface Plan {
  steps: readonly Step[];
  /** Not in the way, but worth a look: each with the command that mends it, where there is one. */
  warnings?: readonly string[];
  /** What to do next, or where to find what was made. Shown when all is done. */
  next?: readonly string[];
}

export function isGoal(step: Step): step is Goal {
  return "plan" in step;
}
