import assert from "node:assert/strict";
import type { Outcome, StepOutcome } from "./outcome.ts";
import { endText, planText, stepText } from "./report.ts";
import { notLookedAt } from "./step.ts";
import { valueTexts } from "./value_text.ts";

const step = (given: Partial<StepOutcome>): StepOutcome => ({
  subject: "Role shop/krun",
  action: "create",
  state: "planned",
  differences: [],
  ...given,
});
const outcome = (...steps: StepOutcome[]): Outcome => ({
  command: "do it",
  isDryRun: false,
  warnings: [],
  next: [],
  steps,
});

Deno.test("report: of a new object what its subject does not say; of a change, and of what goes, only what changes", () => {
  const differences = [
    { path: "kind", to: "Role" },
    { path: "metadata.namespace", to: "shop" },
    { path: "rules[0].apiGroups", to: [""] },
    { path: "data.empty", to: "" },
  ];
  assert.equal(
    planText(outcome(step({ differences }), step({ action: "delete", differences }))),
    'do it: 1 to create, 1 to delete\n  + Role shop/krun\n      rules[0].apiGroups: [""]\n      data.empty: ""\n  - Role shop/krun\n',
  );
  const changed = [{ path: "metadata.namespace", from: "a", to: "b" }, { path: "spec.x", from: 1 }];
  assert.equal(
    planText(outcome(step({ action: "update", differences: changed }))),
    "do it: 1 to change\n  ~ Role shop/krun\n      metadata.namespace: a → b\n      spec.x: 1 → (none)\n",
  );
});

Deno.test("report: a step that has ended", () => {
  const cases: [StepOutcome, string][] = [
    [step({ state: "done" }), "✓ created Role shop/krun"],
    [step({ state: "done", action: "check", detail: "answers 200" }), "✓ Role shop/krun: answers 200"],
    [
      step({ state: "done", action: "check", detail: notLookedAt("no gate") }),
      "- Role shop/krun: not looked at: no gate",
    ],
    [step({ state: "failed", detail: "long" }), "✗ Role shop/krun"],
  ];
  for (const [given, text] of cases) assert.equal(stepText(given), text);
});

Deno.test("report: colours are for terminals", () => {
  const failed = outcome(step({ state: "failed", detail: "why" }));
  for (const text of [planText, endText]) {
    assert(/\[3[12]m/.test(text(failed, true)));
    assert(!text(failed).includes("\x1b"));
  }
  assert.equal(stepText(step({ state: "failed" }), true), "\x1b[31m✗\x1b[0m Role shop/krun");
});

Deno.test("report: long values, and where two of them differ", () => {
  const long = "a".repeat(300);
  const digest = "us-docker.pkg.dev/p/r/web@sha256:".padEnd(120, "0");
  const cases: [from: unknown, to: unknown, ...texts: (string | undefined)[]][] = [
    [1, "1", "1", "1"],
    [undefined, { a: [1] }, undefined, '{"a":[1]}'],
    [undefined, long, undefined, `${"a".repeat(100)}…`],
    ["a\nb\nc", undefined, "a … (3 lines)", undefined],
    [`${digest}one`, `${digest}two`, `…${"0".repeat(24)}one`, `…${"0".repeat(24)}two`],
    [long, "short", `${"a".repeat(100)}…`, "short"],
    [`x${long}`, `y${long}`, `x${"a".repeat(99)}…`, `y${"a".repeat(99)}…`],
  ];
  for (const [from, to, ...texts] of cases) {
    const found = valueTexts({ ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) });
    assert.deepEqual([found.from, found.to], texts);
  }
});
