import { canonical } from "./canonical.ts";
import type { Family } from "./family.ts";
import type { OwnTable, RuleSet } from "./rules.ts";
import { TABLES } from "./saved.ts";

/**
 * What of `wanted` is not there, and what is there besides, one line each: `IPv4 nat ISTIO_OUTPUT: missing …`.
 * Empty where the two have the same verdicts: the same rules in the same order, each jump once.
 */
export function differences(family: Family, now: RuleSet, wanted: RuleSet): string[] {
  return TABLES.flatMap((name) => {
    const lines = compare(linesOf(now[name]), linesOf(wanted[name]));
    return lines.map((line) => `IPv${family} ${name} ${line}`);
  });
}

/** Chain → rules; jumps count as rules of the chain they are in. */
function linesOf(table: OwnTable | undefined): Map<string, readonly string[]> {
  const chains = new Map<string, readonly string[]>(Object.entries(table?.chains ?? {}));
  for (const { from, rule } of table?.jumps ?? []) chains.set(from, [...chains.get(from) ?? [], rule]);
  return chains;
}

function compare(now: Map<string, readonly string[]>, wanted: Map<string, readonly string[]>): string[] {
  const lines: string[] = [];
  for (const chain of new Set([...wanted.keys(), ...now.keys()])) {
    const [there, due] = [now.get(chain), wanted.get(chain)];
    if (due && !there) {
      lines.push(`${chain}: missing, rules in it: ${due.length}`);
      continue;
    }
    if (there && !due) {
      lines.push(`${chain}: not wanted, rules in it: ${there.length}`);
      continue;
    }
    const missing = without(due ?? [], there ?? []);
    const extra = without(there ?? [], due ?? []);
    lines.push(
      ...missing.map((rule) => `${chain}: missing ${rule}`),
      ...extra.map((rule) => `${chain}: not wanted ${rule}`),
    );
    const same = due?.every((rule, at) => canonical(rule) === canonical(there?.[at] ?? ""));
    if (missing.length + extra.length === 0 && !same) lines.push(`${chain}: in another order`);
  }
  return lines;
}

/** Rules of `some` that `others` do not have, each as often as it is missing. */
function without(some: readonly string[], others: readonly string[]): string[] {
  const rest = others.map(canonical);
  return some.filter((rule) => {
    const at = rest.indexOf(canonical(rule));
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}
