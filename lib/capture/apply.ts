import { Problem } from "../base/errors.ts";
import { type Backend, programOf, read, restore } from "./backend.ts";
import { FAMILIES, type Family } from "./family.ts";
import type { RuleSet } from "./rules.ts";
import type { Run } from "./run.ts";
import { NOTHING_SAVED, type Saved } from "./saved.ts";
import { ownPart, transition } from "./transition.ts";

export type RuleSets = Readonly<Record<Family, RuleSet>>;

/** Another program may change the same tables between our look and our transaction. */
const TRIES = 3;

/** What is there now, by family; a family that does not work here has nothing. */
export async function readAll(run: Run, backend: Backend): Promise<Record<Family, Saved>> {
  const saved: Record<Family, Saved> = { 4: NOTHING_SAVED, 6: NOTHING_SAVED };
  await Promise.all(
    familiesOf(backend).map(async (family) => {
      const found = await read(run, backend.name, family);
      if (typeof found === "string") throw unreadable(backend, family, found);
      saved[family] = found;
    }),
  );
  return saved;
}

/**
 * Makes what is ours into `wanted`, one `iptables-restore` a family and none where nothing changes.
 * All or nothing: iptables commits a table at a time, so what a failure leaves is taken back.
 * @returns what was ours before, to be given back to this function
 * @throws {Problem} with what iptables says; everything is as it was
 */
export async function makeRules(run: Run, backend: Backend, wanted: RuleSets): Promise<RuleSets> {
  let failure: { family: Family; reason: string } | undefined;
  for (let left = TRIES; left > 0; left--) {
    const saved = await readAll(run, backend);
    const before = { 4: ownPart(saved[4]), 6: ownPart(saved[6]) };
    failure = await tryRules(run, backend, saved, wanted);
    if (!failure) return before;
    await takeBack(run, backend, before);
    if (sameTexts(saved, await readAll(run, backend))) break;
  }
  throw new Problem({
    tried: `change the rules of ${programOf(backend.name, failure!.family, "")}`,
    got: failure!.reason,
    fix: "krun iptables --dry-run shows what is fed to iptables-restore",
  });
}

async function tryRules(
  run: Run,
  backend: Backend,
  saved: Record<Family, Saved>,
  wanted: RuleSets,
): Promise<{ family: Family; reason: string } | undefined> {
  const texts = familiesOf(backend).map((family) => ({ family, text: transition(saved[family], wanted[family]) }))
    .filter(({ text }) => text !== "");
  // A rule that iptables does not understand is found before anything has changed.
  for (const test of [true, false]) {
    for (const { family, text } of texts) {
      const reason = await restore(run, backend.name, family, text, { test });
      if (reason !== undefined) return { family, reason };
    }
  }
  return undefined;
}

async function takeBack(run: Run, backend: Backend, before: RuleSets): Promise<void> {
  const saved = await readAll(run, backend);
  for (const family of familiesOf(backend)) {
    const text = transition(saved[family], before[family]);
    if (text !== "") await restore(run, backend.name, family, text);
  }
}

export function familiesOf(backend: Backend): Family[] {
  return FAMILIES.filter((family) => family === 4 || backend.ipv6);
}

function sameTexts(one: Record<Family, Saved>, other: Record<Family, Saved>): boolean {
  return FAMILIES.every((family) => JSON.stringify([...one[family]]) === JSON.stringify([...other[family]]));
}

function unreadable(backend: Backend, family: Family, reason: string): Problem {
  return new Problem({
    tried: `read the rules of ${programOf(backend.name, family, "save")}`,
    got: reason,
    fix: "run as root with NET_ADMIN",
  });
}
