import { pause } from "../../base/pause.ts";
import { EnvoyAdmin } from "./admin.ts";

const POLL_MS = 20;

/** Closes an Envoy's ports and waits until its streams have ended, or `limitMs`; an Envoy that has gone has none. */
export async function drainEnvoy(adminPath: string, limitMs: number): Promise<void> {
  const admin = new EnvoyAdmin(adminPath);
  const untilMs = performance.now() + limitMs;
  try {
    await admin.ask("POST", "/drain_listeners");
    while (performance.now() < untilMs) {
      const active = await admin.stats("^listener\\..*\\.downstream_cx_active$");
      if ([...active].every(([name, count]) => count === 0 || name.startsWith("listener.admin."))) return;
      await pause(POLL_MS);
    }
  } catch {
    // It has gone.
  }
}
