import { yamlOf } from "../base/document.ts";
import type { Outcome, StepOutcome } from "./outcome.ts";
import { hasFailed } from "./outcome.ts";
import type { Difference } from "./step.ts";

export type OutputFormat = "text" | "json" | "yaml";

/** The whole outcome, or something else, as a document. */
export async function documentOf(outcome: object, format: "json" | "yaml"): Promise<string> {
  if (format === "json") return JSON.stringify(outcome, null, 2) + "\n";
  return await yamlOf(outcome);
}

const SIGNS = { create: "+", update: "~", delete: "-", none: "=", check: "?" } as const;

/** The plan for people: a line a step, its differences below. Nothing to do is a line of its own. */
export function planText({ steps, warnings, command }: Outcome): string {
  const lines = steps.flatMap((step) => [`  ${SIGNS[step.action]} ${step.subject}`, ...differenceLines(step)]);
  const isNothing = steps.every(({ action }) => action === "none" || action === "check");
  return [
    `${command}: ${isNothing ? "all is as it should be" : countsOf(steps)}`,
    ...lines,
    ...warnings.map((warning) => `  ! ${indented(warning, 4)}`),
  ].join("\n") + "\n";
}

/** How it ended, for people. */
export function endText(outcome: Outcome): string {
  const { steps, next, isDryRun } = outcome;
  const inState = (wanted: StepOutcome["state"]) => steps.filter(({ state }) => state === wanted);
  if (isDryRun) return "dry run: nothing was changed\n";
  const failed = inState("failed");
  const notDone = inState("not done");
  if (failed.length > 0) {
    const done = inState("done").filter(({ action }) => action !== "check");
    return [
      ...failed.map(({ subject, detail }) => `failed: ${subject}\n  ${indented(detail ?? "", 2)}`),
      `done before that: ${listOf(done)}`,
      `not done: ${listOf(notDone)}`,
      "run the same again to complete it",
    ].join("\n") + "\n";
  }
  if (notDone.length > 0) return "nothing was changed\n";
  return next.map((line) => `${line}\n`).join("");
}

/** @returns 0 where all is as it should be, or was planned; 1 otherwise */
export function exitCodeOf(outcome: Outcome): number {
  return hasFailed(outcome) || outcome.steps.some(({ state }) => state === "not done") ? 1 : 0;
}

function countsOf(steps: readonly StepOutcome[]): string {
  const count = (wanted: string) => steps.filter(({ action }) => action === wanted).length;
  const words = { create: "to create", update: "to change", delete: "to delete", none: "as it should be" };
  return Object.entries(words).map(([action, word]) => [count(action), word] as const)
    .filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`).join(", ");
}

function differenceLines({ action, differences }: StepOutcome): string[] {
  if (action === "delete") return [];
  return differences.map((difference) => `      ${differenceText(difference)}`);
}

/** `spec.replicas: 1 → 2`; a side that is not there is left out. */
function differenceText({ path, from, to }: Difference): string {
  if (to === undefined) return `${path}: ${valueText(from)} → (none)`;
  return `${path}: ${from === undefined ? "" : `${valueText(from)} → `}${valueText(to)}`;
}

function valueText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const [first = "", ...more] = text.split("\n");
  const short = first.length > 160 ? `${first.slice(0, 160)}…` : first;
  return more.length > 0 ? `${short} … (${more.length + 1} lines)` : short;
}

function listOf(steps: readonly StepOutcome[]): string {
  return steps.length > 0 ? steps.map(({ subject }) => subject).join(", ") : "nothing";
}

function indented(text: string, columns: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(columns)}`);
}
