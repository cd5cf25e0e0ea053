import type { Family } from "./family.ts";
import { NOT_INSTALLED, reasonOfOutput, type Refusal, summary } from "./refusal.ts";
import type { Run } from "./run.ts";
import { parseSaved, type Saved } from "./saved.ts";
import { ownPart } from "./transition.ts";

/** The kernel has two places for rules, and programs for each; `default` is whichever `iptables` leads to. */
export type BackendName = "nft" | "legacy" | "default";

/** One that works here. */
export interface Backend {
  readonly name: BackendName;
  /** Whether IPv6 works too; IPv4 always does. */
  readonly ipv6: boolean;
}

/** What a look at the back ends found: one that works, or why there is none, in one line. */
export type Probe = { readonly backend: Backend } | { readonly because: string };

const SUFFIX: Readonly<Record<BackendName, string>> = { nft: "-nft", legacy: "-legacy", default: "" };

/** Its table nat without a change: the kernel and the permission are needed all the same. */
const NO_CHANGE = "*nat\nCOMMIT\n";

/**
 * Looks for a back end that works here. One that holds rules of ours comes first, then legacy where it holds
 * anybody's, as Istio does: rules in both are run by both. Nothing is changed; legacy is tried last, since the kernel
 * makes its empty table at the first look.
 */
export async function probeBackends(run: Run, preference: "auto" | "nft" | "legacy"): Promise<Probe> {
  const names: readonly BackendName[] = preference === "auto" ? ["nft", "default", "legacy"] : [preference];
  // Legacy is looked at even where nft comes first: its rules are in force as well.
  const looks = [...new Set<BackendName>(["legacy", ...names])].map(async (name) =>
    [name, await read(run, name, 4)] as const
  );
  const saved = new Map<BackendName, Saved | string>(await Promise.all(looks));
  const order = [...names].sort((one, other) => rank(saved.get(one), one) - rank(saved.get(other), other));
  const refusals: Refusal[] = [];
  for (const name of order) {
    const found = saved.get(name);
    const reason = typeof found === "string" ? found : await tryOut(run, name, 4) ?? await cannotList(run, name);
    if (reason === undefined) return { backend: { name, ipv6: await tryOut(run, name, 6) === undefined } };
    refusals.push({ program: programOf(name, 4, ""), reason });
  }
  return { because: summary(refusals) };
}

/** Name of a program: `ip6tables-nft-save`. */
export function programOf(name: BackendName, family: Family, action: "" | "save" | "restore"): string {
  return `${family === 4 ? "iptables" : "ip6tables"}${SUFFIX[name]}${action ? `-${action}` : ""}`;
}

/** The rules of a family as they are, or why they cannot be read. */
export async function read(run: Run, name: BackendName, family: Family): Promise<Saved | string> {
  const output = await run(programOf(name, family, "save"), []);
  if (!output) return NOT_INSTALLED;
  return output.code === 0 ? parseSaved(output.stdout) : reasonOfOutput(output);
}

/** Feeds `text` to iptables-restore; `test` stops before the kernel is told. @returns why it failed, or undefined */
export async function restore(
  run: Run,
  name: BackendName,
  family: Family,
  text: string,
  options: { test?: boolean } = {},
): Promise<string | undefined> {
  const args = ["--noflush", "--wait", "5", ...(options.test ? ["--test"] : [])];
  const output = await run(programOf(name, family, "restore"), args, text);
  if (!output) return NOT_INSTALLED;
  return output.code === 0 ? undefined : reasonOfOutput(output, text);
}

function tryOut(run: Run, name: BackendName, family: Family): Promise<string | undefined> {
  return restore(run, name, family, NO_CHANGE, { test: true });
}

/** gVisor takes rules of legacy where it is started with --net-raw, and never shows them again. */
async function cannotList(run: Run, name: BackendName): Promise<string | undefined> {
  const save = programOf(name, 4, "save");
  const version = name === "nft" ? undefined : await run(save, ["--version"]);
  if (!version || version.stdout.includes("nf_tables")) return undefined;
  // The trial has made the table nat, so that it has to be among them.
  const tables = await run(save, []);
  return tables?.stdout.includes("*nat") ? undefined : `${save} does not see the tables that are there`;
}

function rank(saved: Saved | string | undefined, name: BackendName): number {
  if (saved === undefined || typeof saved === "string") return 2;
  if (Object.keys(ownPart(saved)).length > 0) return 0;
  return name === "legacy" && [...saved.values()].some((table) => table.rules.length > 0) ? 1 : 2;
}
