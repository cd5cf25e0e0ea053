import { logger } from "../lib/base/log.ts";
import { type Discovery, type MeshEnvWatch, watchMeshEnv } from "../lib/cluster/mod.ts";
import { meshChange, requireControlPlane } from "../lib/mesh/mod.ts";
import type { RunningProxy } from "../lib/proxy/mod.ts";
import type { Settings } from "../lib/settings/mod.ts";
import type { Mesh } from "./krun_stages.ts";

const log = logger("krun", "mesh");

/** A control plane that takes longer is not one to leave a good one for. */
const ANSWER_MS = 5_000;

/**
 * Follows mesh-env for the life of the app: new roots go into their file, which pilot-agent reads; a new control plane takes a new proxy.
 * Either is taken only once the control plane answers under it, so that a wrong address in one config map ends no proxy that works.
 */
export function followMeshEnv(
  discovery: Discovery,
  mesh: Mesh,
  proxy: RunningProxy,
  ending: AbortSignal,
): MeshEnvWatch | undefined {
  const { readAgain, settings: { meshEnvPollMs } } = discovery;
  if (!readAgain || meshEnvPollMs === 0) return undefined;
  let told = "";
  const take = async (read: Settings, signal: AbortSignal) => {
    const { to, newRoots, newControlPlane, later } = meshChange(mesh.state(), read);
    if (later.join() !== told && later.length > 0) {
      log.warn(`mesh-env has other values that the next start will take: ${later.join(", ")}`);
    }
    told = later.join();
    if (!newRoots && !newControlPlane) return;
    await requireControlPlane(to.controlPlane, to.roots, { limitMs: ANSWER_MS, signal });
    await mesh.change(to);
    if (newRoots) log.info("new root certificates by mesh-env");
    if (!newControlPlane) return;
    log.info(`control plane ${to.controlPlane.xdsAddress} by mesh-env`);
    proxy.restart?.(`its control plane is ${to.controlPlane.xdsAddress} now`);
  };
  return watchMeshEnv({ read: readAgain, take, everyMs: meshEnvPollMs, signal: ending });
}
