import { type BackendName, read } from "./backend.ts";
import { removeRules } from "./remove.ts";
import { type Run, runHere } from "./run.ts";
import { ownPart } from "./transition.ts";

/** Where rules of ours lead the app's traffic: Envoy's listener. */
const OUTBOUND_PORT = 15_001;

export interface StaleOutside {
  /** @default runs programs of this machine */
  readonly run?: Run;
  /** Whether a proxy is there. @default connects to 15001 of the loopback */
  readonly proxyListens?: () => Promise<boolean>;
  /** Text of /proc/net/ip_tables_names: the tables of legacy that are in use. @default reads it */
  readonly legacyTables?: () => string;
}

/**
 * Removes rules of ours that lead to a proxy which is gone: where krun was killed and its network lives on (a container that is
 * started again in its pod), not even krun gets out past them.
 * @returns programs whose rules were removed
 * @throws {Problem} they cannot be removed
 */
export async function removeStaleRules(outside: StaleOutside = {}): Promise<string[]> {
  const { run = runHere, proxyListens = listens, legacyTables = readLegacyTables } = outside;
  // A look at legacy makes its tables, and takes time: only where there are some.
  const names: BackendName[] = legacyTables().trim() === "" ? ["nft"] : ["nft", "legacy"];
  const found = await Promise.all(names.map((name) => read(run, name, 4)));
  const ours = found.some((saved) => typeof saved !== "string" && Object.keys(ownPart(saved)).length > 0);
  if (!ours || await proxyListens()) return [];
  return (await removeRules(run)).removed;
}

async function listens(): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port: OUTBOUND_PORT })).close();
    return true;
  } catch {
    return false;
  }
}

function readLegacyTables(): string {
  try {
    return Deno.readTextFileSync("/proc/net/ip_tables_names");
  } catch {
    return ""; // the kernel has not loaded it
  }
}
