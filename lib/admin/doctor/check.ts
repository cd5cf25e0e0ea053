import { fail, type Finding, skip, type Verdict } from "./finding.ts";
import type { Looked, Sources } from "./gather.ts";
import type { Place } from "./place.ts";
import type { FactName, Needed } from "./source.ts";

/** What a check may know besides the facts. */
export interface About {
  place: Place;
  service: string | undefined;
  namespace: string | undefined;
  /** E-mail of the gate's Google account, where the command line says it. */
  gateAccount: string | undefined;
  /** Milliseconds since 1970. */
  now: number;
}

/** A check of the report. What it decides is a pure function of facts. */
export interface Check {
  id: string;
  title: string;
  needs: readonly FactName[];
  wants: readonly FactName[];
  /** It is the one that tells of these sources when they fail; for all others that is a skip. */
  owns: readonly FactName[];
  /** Checks whose failure leaves nothing to decide here. */
  after: readonly string[];
  /** Checks whose failure explains this one's, where it fails. */
  explainedBy: readonly string[];
  /** What mends it where the source's own error does not say. */
  mend: string | undefined;
  /** Whether it is made at all. */
  isFor: (about: About) => boolean;
  decide(facts: Readonly<Record<string, unknown>>, about: About): Verdict;
}

/** A check whose facts are typed by what it says that it needs. */
export function check<const N extends FactName, const W extends FactName = never>(
  id: string,
  title: string,
  given: {
    needs: readonly N[];
    wants?: readonly W[];
    owns?: readonly NoInfer<N>[];
    after?: readonly string[];
    explainedBy?: readonly string[];
    mend?: string;
    /** @default {always} */
    isFor?: (about: About) => boolean;
    decide(facts: Needed<N, W>, about: About): Verdict;
  },
): Check {
  const { needs, wants = [], owns = [], after = [], explainedBy = [], mend, isFor = () => true } = given;
  return { id, title, needs, wants, owns, after, explainedBy, mend, isFor, decide: given.decide as Check["decide"] };
}

/**
 * Every check that is for this, in their order; one that is explained by another's failure is not a second failure, and what this account
 * may not look at is told once.
 */
export function decideAll(checks: readonly Check[], looked: Looked, sources: Sources, about: About): Finding[] {
  const found = new Map<string, Finding>();
  /** Check → the failed one that explains it, or itself. */
  const causes = new Map<string, string>();
  /** Refusal → the check that tells of it. */
  const refusals = new Map<string, string>();
  for (const one of checks) {
    if (!one.isFor(about)) continue;
    const { id, title } = one;
    const causeAmong = (before: readonly string[]) => before.map((id) => causes.get(id)).find(Boolean);
    let cause = causeAmong(one.after);
    let verdict = cause ? skip(`see ${cause}`) : verdictOf(one, looked, sources, about);
    const refusal = cause ? undefined : refusalOf(one, looked);
    const toldBy = refusal && refusals.get(refusal);
    if (toldBy) verdict = skip(`see ${toldBy}`);
    else if (refusal) refusals.set(refusal, id);
    if (verdict.state === "fail") {
      cause = causeAmong(one.explainedBy);
      if (cause) verdict = skip(`see ${cause}`);
      causes.set(id, cause ?? id);
    } else if (cause) causes.set(id, cause);
    found.set(id, { id, group: id.split(".")[0]!, title, ...verdict });
  }
  return [...found.values()];
}

/** Why the first of what a check needs may not be looked at. */
function refusalOf({ needs }: Check, looked: Looked): string | undefined {
  const unseen = needs.map((name) => looked[name]!).find(({ is }) => is !== "known");
  return unseen?.is === "refused" ? unseen.why : undefined;
}

function verdictOf(one: Check, looked: Looked, sources: Sources, about: About): Verdict {
  const facts: Record<string, unknown> = {};
  for (const name of one.needs) {
    const seen = looked[name]!;
    if (seen.is === "known") {
      facts[name] = seen.value;
      continue;
    }
    if (seen.is === "blocked") return skip(`needs ${seen.why}`);
    if (seen.is === "refused") return skip(`this account may not look: ${seen.why}`, seen.fix);
    if (!one.owns.includes(name)) return skip(`needs ${sources[name].label}`);
    return fail(seen.why, seen.fix ?? one.mend);
  }
  for (const name of one.wants) {
    const seen = looked[name];
    facts[name] = seen?.is === "known" ? seen.value : undefined;
  }
  return one.decide(facts, about);
}
