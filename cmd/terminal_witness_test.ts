import assert from "node:assert/strict";
import type { Outcome } from "../lib/admin/mod.ts";
import { terminalWitness } from "./terminal_witness.ts";

const outcome: Outcome = {
  command: "setup-namespace shop",
  isDryRun: false,
  warnings: [],
  next: [],
  steps: [{ subject: "Namespace shop", action: "create", state: "planned", differences: [] }],
};

Deno.test("witness: the plan is shown to people, and left out where a program reads", () => {
  for (const isForPeople of [true, false]) {
    const printed: string[] = [];
    const witness = terminalWitness({
      isForPeople,
      isAgreed: true,
      print: (text) => printed.push(text),
      isTerminal: false,
    });
    witness.planned(outcome);
    assert.equal(printed.length, isForPeople ? 1 : 0);
  }
});

const ANSWERS: [answer: string | null, expected: boolean][] = [
  ["y", true],
  ["YES ", true],
  ["", false],
  [null, false],
  ["n", false],
  ["yesterday", false],
];
for (const [answer, expected] of ANSWERS) {
  Deno.test(`witness: ${JSON.stringify(answer)} is ${expected ? "agreed" : "declined"}`, async () => {
    const asked: string[] = [];
    const ask = (question: string) => (asked.push(question), answer);
    const witness = terminalWitness({ isForPeople: true, isAgreed: false, print: () => {}, isTerminal: true, ask });
    assert.equal(await witness.confirm(2), expected);
    assert.deepEqual(asked, ["Make these 2 changes? [y/N]"]);
  });
}

Deno.test("witness: --yes asks nobody, and where nobody is there it is wanted", async () => {
  const ask = () => assert.fail("asked");
  const options = { isForPeople: true, print: () => {}, isTerminal: false, ask };
  assert.equal(await terminalWitness({ ...options, isAgreed: true }).confirm(1), true);
  assert.throws(() => terminalWitness({ ...options, isAgreed: false }).confirm(1), /--yes to make them/);
});
