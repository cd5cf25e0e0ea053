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

const nobody = () => assert.fail("asked");

Deno.test("witness: the plan is shown to people, and left out where a program reads", () => {
  for (const isForPeople of [true, false]) {
    const printed: string[] = [];
    const witness = terminalWitness({
      isForPeople,
      isAgreed: true,
      print: (text) => printed.push(text),
      ask: nobody,
      isTerminal: false,
    });
    witness.planned(outcome);
    assert.equal(printed.length, isForPeople ? 1 : 0);
  }
});

const ANSWERS: [answer: string | undefined, expected: boolean][] = [
  ["y", true],
  ["YES ", true],
  ["", false],
  [undefined, false],
  ["n", false],
  ["yesterday", false],
];
for (const [answer, expected] of ANSWERS) {
  Deno.test(`witness: ${answer === undefined ? "nothing" : JSON.stringify(answer)} is ${expected ? "agreed" : "declined"}`, async () => {
    const asked: string[] = [];
    const ask = (question: string) => (asked.push(question), Promise.resolve(answer));
    const witness = terminalWitness({ isForPeople: true, isAgreed: false, print: () => {}, isTerminal: true, ask });
    assert.equal(await witness.confirm(2), expected);
    assert.deepEqual(asked, ["Make these 2 changes? [y/N]"]);
  });
}

Deno.test("witness: --yes asks nobody, and where nobody is there it is wanted", async () => {
  const options = { isForPeople: true, print: () => {}, isTerminal: false, ask: nobody };
  assert.equal(await terminalWitness({ ...options, isAgreed: true }).confirm(1), true);
  const unasked = [{ isTerminal: false }, { isTerminal: true, isForPeople: false }];
  for (const one of unasked) {
    const witness = terminalWitness({ ...options, ...one, isAgreed: false });
    await assert.rejects(witness.confirm(1), /nobody to ask: .*\n.*--yes to make them/);
  }
});

Deno.test("witness: where there is no terminal a thing that is waited for is told once, and what takes a moment not at all", () => {
  const said: string[] = [];
  const witness = terminalWitness({
    isForPeople: true,
    isAgreed: true,
    print: () => {},
    isTerminal: false,
    ask: nobody,
    say: (line) => said.push(line),
  });
  witness.moment("looking");
  for (const text of ["the gate", "the gate", "revision web-1"]) witness.progress(text);
  const { progress, end } = witness.begin("Namespace shop");
  for (let looks = 0; looks < 3; looks++) progress("it is going");
  end({ ...outcome.steps[0]!, state: "done" });
  assert.deepEqual(said, ["the gate", "revision web-1", "Namespace shop: it is going", "✓ created Namespace shop"]);
});
