/** What an Envoy in a container of its own needs of hgate besides its configuration. */
import { UsageError } from "../lib/base/errors.ts";
import { pause } from "../lib/base/pause.ts";
import { drainEnvoy, gateEnvoyBootstrap } from "../lib/gate/mod.ts";
import { type HgateSettings, meetingPlace } from "./hgate_settings.ts";

/** `hgate envoy-bootstrap`: what it is started with, as JSON. */
export function envoyBootstrap(settings: Pick<HgateSettings, "envoyDirectory" | "maxTunnels">): string {
  const place = meetingPlace(directoryOf(settings));
  return JSON.stringify(gateEnvoyBootstrap({ ...place, maxTunnels: settings.maxTunnels }), null, 2) + "\n";
}

/** `hgate envoy-drain`, as its preStop hook: waits until nobody is sent here any more, then until its streams have ended. */
export async function envoyDrain(
  settings: Pick<HgateSettings, "envoyDirectory" | "notReadyMs" | "drainMs">,
): Promise<number> {
  const { adminPath } = meetingPlace(directoryOf(settings));
  await pause(settings.notReadyMs);
  await drainEnvoy(adminPath, settings.drainMs);
  return 0;
}

function directoryOf({ envoyDirectory }: Pick<HgateSettings, "envoyDirectory">): string {
  if (envoyDirectory) return envoyDirectory;
  throw new UsageError({
    tried: "find Envoy's sockets",
    got: "no HGATE_ENVOY_DIR",
    fix: "name the directory that hgate and Envoy share: --envoy-dir /run/hgate",
  });
}
