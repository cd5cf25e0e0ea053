import { endLeftBehind } from "../lib/base/left_behind.ts";
import { logger } from "../lib/base/log.ts";
import { mayAdministerNetwork } from "../lib/base/privilege.ts";
import { removeStaleRules } from "../lib/capture/mod.ts";
import type { Settings } from "../lib/settings/mod.ts";
import { captureMode } from "./capture_stage.ts";
import { pathsOf } from "./krun_stages.ts";

const log = logger("krun");

/** What a krun that was killed could not undo: its children hold the ports, its rules lead to a proxy that is gone. */
export async function clearAway(given: Settings, environment: Readonly<Record<string, string>>): Promise<void> {
  const ended = await endLeftBehind(pathsOf(given).processes);
  if (ended.length > 0) log.warn(`ended processes of a krun that was killed: ${ended.join(", ")}`);
  if (!["auto", "required"].includes(captureMode(given, environment)) || !mayAdministerNetwork()) return;
  for (const program of await removeStaleRules()) {
    log.warn(`${program}: removed rules that led to a proxy which is gone`);
  }
}
