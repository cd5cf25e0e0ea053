import { OWN_CHAINS, type TableName } from "./rules.ts";

/** A rule as `iptables-save` prints it. */
export interface SavedRule {
  readonly chain: string;
  /** Without `-A CHAIN`; quotes as they are, so that it can be fed to `iptables-restore` again. */
  readonly rule: string;
  /** The chain it leads to by `-j` or `-g`, or the target. */
  readonly target: string | undefined;
}

export interface SavedTable {
  /** Chains that somebody made, without the built-in ones. */
  readonly chains: readonly string[];
  readonly rules: readonly SavedRule[];
}

/** Tables as they are now; one that is not there has not been used. */
export type Saved = ReadonlyMap<string, SavedTable>;

export const NOTHING_SAVED: Saved = new Map();

/** Tables that may hold something of ours, in the order they are written in. */
export const TABLES: readonly TableName[] = ["mangle", "nat", "raw"];

/** Reads the output of `iptables-save`; lines it does not know are passed over. */
export function parseSaved(text: string): Saved {
  const tables = new Map<string, { chains: string[]; rules: SavedRule[] }>();
  let table: { chains: string[]; rules: SavedRule[] } | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      table = { chains: [], rules: [] };
      tables.set(line.slice(1).trim(), table);
    } else if (line.startsWith(":")) {
      const [chain = "", policy] = line.slice(1).split(" ");
      if (policy === "-") table?.chains.push(chain);
    } else {
      // With -c the counters stand before the rule.
      const match = line.match(/^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/);
      if (match) table?.rules.push({ chain: match[1]!, rule: match[2]!, target: targetOf(match[2]!) });
    }
  }
  return tables;
}

export function isOwn(chain: string | undefined): boolean {
  return (OWN_CHAINS as readonly (string | undefined)[]).includes(chain);
}

/** Words of a rule; one in quotes (a comment) is a single word. */
export function wordsOf(rule: string): string[] {
  return rule.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
}

function targetOf(rule: string): string | undefined {
  const words = wordsOf(rule);
  const at = words.findIndex((word) => word === "-j" || word === "-g");
  return at < 0 ? undefined : words[at + 1];
}
