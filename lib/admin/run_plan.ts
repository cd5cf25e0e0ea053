import { Problem, reasonOf } from "../base/errors.ts";
import type { Outcome, StepOutcome } from "./outcome.ts";
import { type Change, type Goal, isGoal, type Plan, type Step } from "./step.ts";

/** What a run tells while it goes on, and whom it asks. */
export interface Witness {
  /** The plan is whole and nothing has been done. */
  planned(outcome: Outcome): void;
  /** Whether to go on; asked once, and only where there is something to do. */
  confirm(changes: number): Promise<boolean>;
  /** A step begins. The end is told with its outcome. */
  begin(subject: string): { progress(text: string): void; end(outcome: StepOutcome): void };
}

export interface RunOptions {
  command: string;
  isDryRun: boolean;
  signal: AbortSignal;
  witness: Witness;
}

/** Goals are looked at in this many at a time. */
const AT_ONCE = 8;

/**
 * Plans every goal, shows it, asks, takes the steps one after the other, and looks again at each that was taken. The first that fails
 * ends it: the outcome says what was done and what was not. Running it again completes it, since what is done needs no change.
 * @throws {Problem} while planning: then nothing was done  @throws what `signal` is aborted with, when that comes while planning
 */
export async function runPlan({ steps, warnings = [], next = [] }: Plan, options: RunOptions): Promise<Outcome> {
  const { witness, signal, command, isDryRun } = options;
  const changes = await planAll(steps, signal);
  const outcome: Outcome = {
    command,
    isDryRun,
    warnings,
    next,
    steps: steps.map((step) => outcomeOf(step, changes.get(step))),
  };
  witness.planned(outcome);
  if (isDryRun) return outcome;
  const planned = outcome.steps.filter(({ state }) => state === "planned");
  const count = planned.filter(({ action }) => action !== "check").length;
  if (count > 0 && !await witness.confirm(count)) {
    for (const step of planned) step.state = "not done";
    return outcome;
  }
  for (const [at, step] of steps.entries()) {
    const told = outcome.steps[at]!;
    if (told.state === "unchanged") continue;
    const { progress, end } = witness.begin(told.subject);
    try {
      signal.throwIfAborted();
      if (isGoal(step)) await take(step, changes.get(step)!, signal);
      else told.detail = await step.check(signal, progress);
      told.state = "done";
      end(told);
    } catch (error) {
      told.state = "failed";
      told.detail = signal.aborted
        ? `interrupted: ${reasonOf(signal.reason)}`
        : error instanceof Problem
        ? error.message
        : reasonOf(error);
      end(told);
      for (const later of outcome.steps.slice(at + 1)) if (later.state === "planned") later.state = "not done";
      return outcome;
    }
  }
  return outcome;
}

async function planAll(steps: readonly Step[], signal: AbortSignal): Promise<Map<Step, Change | undefined>> {
  const goals = steps.filter(isGoal);
  const changes = new Map<Step, Change | undefined>();
  const queue = [...goals];
  const worker = async () => {
    for (let goal = queue.shift(); goal; goal = queue.shift()) {
      signal.throwIfAborted();
      changes.set(goal, await goal.plan(signal));
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, goals.length) }, worker));
  return changes;
}

function outcomeOf(step: Step, change: Change | undefined): StepOutcome {
  const { subject } = step;
  if (!isGoal(step)) return { subject, action: "check", state: "planned", differences: [] };
  if (!change) return { subject, action: "none", state: "unchanged", differences: [] };
  return { subject, action: change.action, state: "planned", differences: change.differences };
}

async function take(goal: Goal, change: Change, signal: AbortSignal): Promise<void> {
  await change.apply(signal);
  const left = await goal.plan(signal);
  if (!left) return;
  const fields = left.differences.map(({ path }) => path).join(", ");
  throw new Problem({
    tried: `${change.action} ${goal.subject}`,
    got: `it was done and does not hold: ${left.action}${fields ? ` of ${fields}` : ""} is still to do`,
    fix: "somebody else changes it at the same time: find who, then run this again",
  });
}
