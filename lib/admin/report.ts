import { yamlOf } from "../base/document.ts";
import type { Outcome, StepOutcome } from "./outcome.ts";
import { hasFailed } from "./outcome.ts";
import { type Colour, painter } from "./paint.ts";
import { type Difference, isNotLookedAt } from "./step.ts";
import { valueTexts } from "./value_text.ts";

export type OutputFormat = "text" | "json" | "yaml";

/** The whole outcome, or something else, as a document. */
export async function documentOf(outcome: object, format: "json" | "yaml"): Promise<string> {
  if (format === "json") return JSON.stringify(outcome, null, 2) + "\n";
  return await yamlOf(outcome);
}

const SIGNS = { create: "+", update: "~", delete: "-", none: "=", check: "?" } as const;
const COLOURS: Readonly<Record<StepOutcome["action"], Colour>> = {
  create: "green",
  update: "yellow",
  delete: "red",
  none: "dim",
  check: "dim",
};
/** Of a new object: what its subject says, as it does of a binding of a role, what every object of ours has, and what the server gives every namespace. */
const KNOWN = new Set([
  ...["apiVersion", "kind", "metadata.name", "metadata.namespace", 'metadata.labels["app.kubernetes.io/managed-by"]'],
  ...['metadata.labels["kubernetes.io/metadata.name"]', "spec.finalizers"],
]);

/** The plan for people: a line a step, its differences below. Nothing to do is a line of its own. */
export function planText({ steps, warnings, command }: Outcome, hasColour = false): string {
  const paint = painter(hasColour);
  const lines = steps.flatMap((step) => [
    `  ${paint(COLOURS[step.action], SIGNS[step.action])} ${step.subject}`,
    ...differenceLines(step),
  ]);
  const isNothing = steps.every(({ action }) => action === "none" || action === "check");
  return [
    `${command}: ${isNothing ? "all is as it should be" : countsOf(steps)}`,
    ...lines,
    ...warnings.map((warning) => `  ${paint("yellow", "!")} ${indented(warning, 4)}`),
  ].join("\n") + "\n";
}

/** A step that has ended, in a line. */
export function stepText({ subject, state, action, detail }: StepOutcome, hasColour = false): string {
  const paint = painter(hasColour);
  const words = { create: "created", update: "changed", delete: "deleted", none: "unchanged", check: "seen" } as const;
  if (state === "failed") return `${paint("red", "✗")} ${subject}`;
  if (detail && isNotLookedAt(detail)) return `${paint("dim", "-")} ${subject}: ${detail}`;
  return `${paint("green", "✓")} ${detail ? `${subject}: ${detail}` : `${words[action]} ${subject}`}`;
}

/** How it ended, for people. */
export function endText(outcome: Outcome, hasColour = false): string {
  const paint = painter(hasColour);
  const { steps, next, isDryRun } = outcome;
  const inState = (wanted: StepOutcome["state"]) => steps.filter(({ state }) => state === wanted);
  if (isDryRun) return "dry run: nothing was changed\n";
  const failed = inState("failed");
  const notDone = inState("not done");
  if (failed.length > 0) {
    const done = inState("done").filter(({ action }) => action !== "check");
    return [
      ...failed.map(({ subject, detail }) => `${paint("red", "failed")}: ${subject}\n  ${indented(detail ?? "", 2)}`),
      ...listOf("done before that", done),
      ...listOf("not done", notDone),
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
  return differences.filter(({ path }) => action !== "create" || !(KNOWN.has(path) || path.startsWith("bindings[")))
    .map((difference) => `      ${differenceText(difference)}`);
}

/** `spec.replicas: 1 → 2`; a side that is not there is left out. */
function differenceText({ path, ...sides }: Difference): string {
  const { from, to } = valueTexts(sides);
  if (to === undefined) return `${path}: ${from} → (none)`;
  return `${path}: ${from === undefined ? "" : `${from} → `}${to}`;
}

function listOf(title: string, steps: readonly StepOutcome[]): string[] {
  if (steps.length === 0) return [`${title}: nothing`];
  return [`${title}:`, ...steps.map(({ subject }) => `  ${subject}`)];
}

function indented(text: string, columns: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(columns)}`);
}
