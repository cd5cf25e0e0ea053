/** What every engine of the gate has to hold; each case has a stage of its own. */
import assert from "node:assert/strict";
import type { GateEngine } from "../../lib/gate/mod.ts";
import { CARRY_CASES } from "./gate_carry_cases.ts";
import { FRONT_END_CASES } from "./gate_front_end_cases.ts";
import { HELLO_CASES } from "./gate_hello_cases.ts";
import { ROUTE_CASES } from "./gate_route_cases.ts";
import { Stage, type StageOptions } from "./gate_stage.ts";

/** One thing that every engine has to hold. */
export interface GateCase {
  name: string;
  stage?: StageOptions;
  run(stage: Stage): Promise<void>;
}

/** A case that an engine is known to fail, and why. */
export interface GateException {
  case: string;
  reason: string;
  /** It passes at times: either outcome is right. */
  byRace?: boolean;
}

export const GATE_CASES: readonly GateCase[] = [...CARRY_CASES, ...HELLO_CASES, ...FRONT_END_CASES, ...ROUTE_CASES];

/** What no case may take longer than. */
const LIMIT_MS = 20_000;
/** A known failure may show as a hang, and may pass by chance. */
const HANG_MS = 5_000;
const MOST_TRIES = 3;

/** Registers the suite's tests for one engine. An exception must be seen to fail, or the list that claims it is out of date. */
export function gateConformance(engine: GateEngine, exceptions: readonly GateException[] = []): void {
  for (const gateCase of GATE_CASES) {
    const exception = exceptions.find((one) => one.case === gateCase.name);
    const name = `gate ${engine.name}: ${gateCase.name}`;
    if (!exception) Deno.test(name, () => once(engine, gateCase, LIMIT_MS));
    else if (exception.byRace) {
      Deno.test(`${name} (known to fail at times)`, () => once(engine, gateCase, HANG_MS).catch(() => {}));
    } else Deno.test(`${name} (known to fail)`, () => seenToFail(engine, gateCase, exception));
  }
  Deno.test(`gate ${engine.name}: every exception names a case`, () => {
    const names = GATE_CASES.map((one) => one.name);
    assert.deepEqual(exceptions.map((one) => one.case).filter((one) => !names.includes(one)), []);
    assert.equal(new Set(names).size, names.length, "two cases have one name");
  });
}

async function seenToFail(engine: GateEngine, gateCase: GateCase, { reason }: GateException): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    try {
      await once(engine, gateCase, HANG_MS);
    } catch {
      return;
    }
  }
  assert.fail(`now passes ${MOST_TRIES} times: take it from the list (it said: ${reason})`);
}

async function once(engine: GateEngine, gateCase: GateCase, limitMs: number): Promise<void> {
  const stage = await Stage.open(engine, gateCase.stage);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => timer = setTimeout(() => reject(new Error("hangs")), limitMs));
  const running = gateCase.run(stage);
  try {
    await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
    await stage[Symbol.asyncDispose]();
    await running.catch(() => {}); // with its peers gone it comes to an end
  }
}
