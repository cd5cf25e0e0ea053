import { canonical } from "./canonical.ts";
import type { Jump, OwnTable, RuleSet, TableName } from "./rules.ts";
import { isOwn, type Saved, type SavedTable, TABLES } from "./saved.ts";

const NOTHING: OwnTable = { chains: {}, jumps: [] };
const NO_TABLE: SavedTable = { chains: [], rules: [] };

/** What is ours among the rules that are there, with the places of its jumps: enough to bring it back. */
export function ownPart(saved: Saved): RuleSet {
  const tables: Partial<Record<TableName, OwnTable>> = {};
  for (const name of TABLES) {
    const table = saved.get(name);
    if (!table) continue;
    const chains = Object.fromEntries(
      table.chains.filter(isOwn).map((chain) => [chain, rulesIn(table, chain)]),
    );
    const jumps = jumpsOf(table);
    if (Object.keys(chains).length > 0 || jumps.length > 0) tables[name] = { chains, jumps };
  }
  return tables;
}

/**
 * Text for `iptables-restore --noflush` that makes `wanted` of what is there, and touches nothing else; empty where
 * nothing is to be done. Every table is one transaction. A jump that is there once stays where it is, so that the
 * order with the rules of others does not change; every other is deleted by its own words and made anew.
 */
export function transition(saved: Saved, wanted: RuleSet): string {
  return TABLES.map((name) => tableText(name, saved.get(name) ?? NO_TABLE, wanted[name] ?? NOTHING)).join("");
}

function tableText(name: TableName, now: SavedTable, wanted: OwnTable): string {
  const present = now.chains.filter(isOwn);
  const { kept, gone } = sortJumps(jumpsOf(now), wanted.jumps);
  const made = wanted.jumps.filter((jump) => !kept.some((other) => sameJump(jump, other)));
  const obsolete = present.filter((chain) => !(chain in wanted.chains));
  const changed = Object.entries(wanted.chains).some(([chain, rules]) =>
    !present.includes(chain) || !sameRules(rulesIn(now, chain), rules)
  );
  if (!changed && obsolete.length + gone.length + made.length === 0) return "";
  const lines = [
    // With --noflush a chain that is declared is made, or emptied where it is there.
    ...[...Object.keys(wanted.chains), ...obsolete].map((chain) => `:${chain} - [0:0]`),
    ...gone.map(({ from, rule }) => `-D ${from} ${rule}`),
    ...Object.entries(wanted.chains).flatMap(([chain, rules]) => rules.map((rule) => `-A ${chain} ${rule}`)),
    ...placed(made, now, gone),
    // One that somebody's own chain leads to cannot be deleted; empty it does nothing.
    ...obsolete.filter((chain) => !isNeeded(now, chain)).map((chain) => `-X ${chain}`),
  ];
  return [`*${name}`, ...lines, "COMMIT", ""].join("\n");
}

/** Commands that make jumps; a place beyond the end, since others took rules away meanwhile, is the end. */
function placed(made: readonly Jump[], now: SavedTable, gone: readonly Jump[]): string[] {
  return made.map(({ from, rule, at }, index) => {
    const length = now.rules.filter(({ chain }) => chain === from).length -
      gone.filter((jump) => jump.from === from).length +
      made.slice(0, index).filter((jump) => jump.from === from).length;
    return at === undefined || at > length ? `-A ${from} ${rule}` : `-I ${from} ${at} ${rule}`;
  });
}

/** Jumps that stay as they are, and those to delete. */
function sortJumps(now: readonly Jump[], wanted: readonly Jump[]): { kept: Jump[]; gone: Jump[] } {
  const stays = (jump: Jump) =>
    wanted.some((other) => sameJump(jump, other)) && now.filter((other) => sameJump(jump, other)).length === 1;
  return { kept: now.filter(stays), gone: now.filter((jump) => !stays(jump)) };
}

function jumpsOf(table: SavedTable): Jump[] {
  const places = new Map<string, number>();
  return table.rules.flatMap(({ chain, rule, target }) => {
    const at = (places.get(chain) ?? 0) + 1;
    places.set(chain, at);
    return isOwn(target) && !table.chains.includes(chain) ? [{ from: chain, rule, at }] : [];
  });
}

function rulesIn(table: SavedTable, chain: string): string[] {
  return table.rules.filter((rule) => rule.chain === chain).map(({ rule }) => rule);
}

/** Whether a chain that is neither built in nor ours leads to this one. */
function isNeeded(table: SavedTable, chain: string): boolean {
  return table.rules.some((rule) => rule.target === chain && table.chains.includes(rule.chain) && !isOwn(rule.chain));
}

function sameJump(one: Jump, other: Jump): boolean {
  return one.from === other.from && canonical(one.rule) === canonical(other.rule);
}

function sameRules(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((rule, at) => canonical(rule) === canonical(others[at]!));
}
