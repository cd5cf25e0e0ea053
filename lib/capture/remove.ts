import { makeRules } from "./apply.ts";
import { type BackendName, programOf, read } from "./backend.ts";
import type { Refusal } from "./refusal.ts";
import { NO_RULES } from "./rules.ts";
import type { Run } from "./run.ts";
import { NOTHING_SAVED } from "./saved.ts";
import { ownPart } from "./transition.ts";

/**
 * Removes what is ours from every back end: rules may have been made with another one than is used now.
 * @returns programs that had some, and those that do not work here
 * @throws {Problem} rules that are there cannot be removed
 */
export async function removeRules(run: Run): Promise<{ removed: string[]; refusals: Refusal[]; tried: number }> {
  const removed: string[] = [];
  const refusals: Refusal[] = [];
  // iptables without a suffix is the same as one of the others where these are installed.
  const names = ["nft", "legacy", "default"] satisfies BackendName[];
  for (const name of names) {
    const saved = await read(run, name, 4);
    if (typeof saved === "string") {
      refusals.push({ program: programOf(name, 4, ""), reason: saved });
      continue;
    }
    const saved6 = await read(run, name, 6);
    const tables = [saved, typeof saved6 === "string" ? NOTHING_SAVED : saved6];
    if (tables.every((saved) => Object.keys(ownPart(saved)).length === 0)) continue;
    await makeRules(run, { name, ipv6: typeof saved6 !== "string" }, { 4: NO_RULES, 6: NO_RULES });
    removed.push(programOf(name, 4, ""));
  }
  return { removed, refusals, tried: names.length };
}
