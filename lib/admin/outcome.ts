import type { Change, Difference } from "./step.ts";

/** What became of a step. `planned` and `not done` are ends too: of a dry run, and of a run that failed before. */
export interface StepOutcome {
  subject: string;
  action: Change["action"] | "none" | "check";
  state: "planned" | "done" | "unchanged" | "failed" | "not done";
  differences: readonly Difference[];
  /** What a check has seen, or why the step failed. */
  detail?: string;
}

/** What a command did: the whole of its `--output json`. */
export interface Outcome {
  /** `setup-namespace shop` */
  command: string;
  isDryRun: boolean;
  steps: StepOutcome[];
  warnings: readonly string[];
  next: readonly string[];
}

export function hasFailed({ steps }: Outcome): boolean {
  return steps.some(({ state }) => state === "failed");
}
