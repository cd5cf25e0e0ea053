import assert from "node:assert/strict";
import { Problem } from "../base/errors.ts";
import { endText, exitCodeOf, planText } from "./report.ts";
import { runPlan } from "./run_plan.ts";
import type { Goal, Step } from "./step.ts";

/** A world of named values; a goal wants one of them. */
class World {
  readonly values = new Map<string, number>();
  readonly calls: string[] = [];
  readonly fails = new Map<string, Error>();
  /** Changes that do not hold. */
  readonly lost = new Set<string>();

  goal(name: string, wanted: number): Goal {
    return {
      subject: name,
      plan: () => {
        this.calls.push(`look ${name}`);
        const from = this.values.get(name);
        if (from === wanted) return Promise.resolve(undefined);
        return Promise.resolve({
          action: from === undefined ? "create" : "update",
          differences: [{ path: "value", ...(from === undefined ? {} : { from }), to: wanted }],
          apply: () => {
            this.calls.push(`apply ${name}`);
            const error = this.fails.get(name);
            if (error) return Promise.reject(error);
            if (!this.lost.has(name)) this.values.set(name, wanted);
            return Promise.resolve();
          },
        });
      },
    };
  }

  check(name: string, error?: Error): Step {
    return {
      subject: name,
      check: () => {
        this.calls.push(`check ${name}`);
        return error ? Promise.reject(error) : Promise.resolve("answered 200");
      },
    };
  }
}

async function run(
  steps: Step[],
  { isDryRun = false, agrees = true, signal = new AbortController().signal } = {},
) {
  const shown: string[] = [];
  let asked = 0;
  const outcome = await runPlan({ steps, warnings: ["look here"], next: ["use it"] }, {
    command: "do it",
    isDryRun,
    signal,
    witness: {
      planned: (outcome) => shown.push(planText(outcome)),
      confirm: (changes) => (asked += changes, Promise.resolve(agrees)),
      begin: () => ({ progress: () => {}, end: () => {} }),
    },
  });
  return { outcome, asked, plan: shown.join(""), end: endText(outcome), code: exitCodeOf(outcome) };
}

const statesOf = ({ outcome }: Awaited<ReturnType<typeof run>>) => outcome.steps.map(({ state }) => state);

Deno.test("plan: all are looked at before anything is done; what is done is looked at again", async () => {
  const world = new World();
  world.values.set("b", 1);
  const ran = await run([world.goal("a", 1), world.goal("b", 1), world.check("c"), world.goal("d", 2)]);
  assert.deepEqual(world.calls, [
    ...["look a", "look b", "look d"],
    ...["apply a", "look a", "check c", "apply d", "look d"],
  ]);
  assert.deepEqual(statesOf(ran), ["done", "unchanged", "done", "done"]);
  assert.equal(ran.asked, 2);
  assert.equal(ran.code, 0);
  assert.equal(
    ran.plan,
    "do it: 2 to create, 1 as it should be\n  + a\n      value: 1\n  = b\n  ? c\n  + d\n      value: 2\n  ! look here\n",
  );
  assert.equal(ran.end, "use it\n");
});

Deno.test("plan: again, nothing is done and nobody is asked, and checks are made all the same", async () => {
  const world = new World();
  const steps = [world.goal("a", 1), world.check("c")];
  await run(steps);
  const again = await run(steps);
  assert.deepEqual(statesOf(again), ["unchanged", "done"]);
  assert.equal(again.asked, 0);
  assert.match(again.plan, /^do it: all is as it should be\n/);
});

Deno.test("plan: a dry run only looks", async () => {
  const world = new World();
  const ran = await run([world.goal("a", 1), world.check("c")], { isDryRun: true });
  assert.deepEqual(world.calls, ["look a"]);
  assert.deepEqual([ran.asked, ran.code, ran.end], [0, 0, "dry run: nothing was changed\n"]);
});

Deno.test("plan: declined, nothing is done", async () => {
  const world = new World();
  const ran = await run([world.goal("a", 1), world.check("c")], { agrees: false });
  assert.deepEqual(world.calls, ["look a"]);
  assert.deepEqual([statesOf(ran), ran.code, ran.end], [["not done", "not done"], 1, "nothing was changed\n"]);
});

Deno.test("plan: the first failure ends it, and it is said what was done and what was not; again completes it", async () => {
  const world = new World();
  world.fails.set("b", new Problem({ tried: "make b", got: "403 PERMISSION_DENIED", fix: "ask for it" }));
  const steps = [world.goal("a", 1), world.goal("b", 1), world.check("c"), world.goal("d", 1)];
  const ran = await run(steps);
  assert.deepEqual(statesOf(ran), ["done", "failed", "not done", "not done"]);
  assert.equal(ran.code, 1);
  assert.equal(
    ran.end,
    "failed: b\n  make b\n    got: 403 PERMISSION_DENIED\n    do: ask for it\ndone before that:\n  a\nnot done:\n  c\n  d\n" +
      "run the same again to complete it\n",
  );
  world.fails.clear();
  world.calls.length = 0;
  assert.deepEqual(statesOf(await run(steps)), ["unchanged", "done", "done", "done"]);
  assert(!world.calls.includes("apply a"));
});

Deno.test("plan: what was done and does not hold is a failure", async () => {
  const world = new World();
  world.lost.add("a");
  const ran = await run([world.goal("a", 1)]);
  assert.deepEqual(statesOf(ran), ["failed"]);
  assert.match(ran.outcome.steps[0]!.detail!, /does not hold: create of value is still to do/);
});

Deno.test("plan: a check that fails keeps what is behind it from being done", async () => {
  const world = new World();
  const ran = await run([world.check("c", new Problem({ tried: "ask it", got: "503" })), world.goal("a", 1)]);
  assert.deepEqual(statesOf(ran), ["failed", "not done"]);
  assert.deepEqual(world.calls, ["look a", "check c"]);
});

Deno.test("plan: interrupted between two steps, the rest is not done", async () => {
  const world = new World();
  const ending = new AbortController();
  const first = world.goal("a", 1);
  const plan: Goal["plan"] = async (signal) => {
    const change = await first.plan(signal);
    if (!change) return undefined;
    return { ...change, apply: (signal) => change.apply(signal).then(() => ending.abort(new Error("SIGINT"))) };
  };
  const ran = await run([{ ...first, plan }, world.goal("b", 1)], { signal: ending.signal });
  assert.deepEqual(statesOf(ran), ["done", "failed"]);
  assert.equal(ran.outcome.steps[1]!.detail, "interrupted: SIGINT");
  assert.equal(world.values.has("b"), false);
});

Deno.test("plan: one that cannot be made changes nothing", async () => {
  const world = new World();
  const bad: Goal = { subject: "bad", plan: () => Promise.reject(new Problem({ tried: "look", got: "403" })) };
  await assert.rejects(run([world.goal("a", 1), bad]), { name: "Problem" });
  assert.deepEqual(world.calls, ["look a"]);
});
