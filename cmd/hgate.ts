import { logger } from "../lib/base/log.ts";
import { pause } from "../lib/base/pause.ts";
import { serveGateHttp } from "../lib/gate/mod.ts";
import type { HgateSettings } from "./hgate_settings.ts";
import {
  clusterOf,
  follow,
  googleOf,
  type HgateOutside,
  openGate,
  type Running,
  statusOf,
  tokensOf,
  untilEnd,
} from "./hgate_stages.ts";
import { RoutesInForce } from "./routes_in_force.ts";
import { listenForSignals } from "./signals.ts";

const log = logger("hgate");

/**
 * Leads the mesh to Cloud Run until it is told to end: cluster → tokens → ports → routes, kept as the cluster has them.
 * @returns the exit code
 */
export async function hgate(settings: HgateSettings, outside: HgateOutside): Promise<number> {
  using signals = listenForSignals(false);
  const running: Running = { isEnding: () => signals.first.aborted };
  await using _http = serveGateHttp({ port: settings.httpPort, status: () => statusOf(running) });

  using cluster = await clusterOf(settings, outside);
  const google = await googleOf(settings, outside);
  using tokens = running.tokens = tokensOf(google);
  await using gate = running.gate = await openGate(settings, tokens, outside);
  const inForce = running.inForce = new RoutesInForce(gate, tokens);
  await using _controller = running.controller = follow({ settings, cluster, google, outside, inForce });
  log.info("the gate is open", { ...gate.ports, engine: gate.engine, namespace: cluster.namespace });

  const exitCode = await untilEnd(gate, signals);
  log.info("the gate closes");
  await pause(settings.notReadyMs, signals.hurry).catch(() => {}); // until everybody has learnt that it is not ready
  await gate.drain(signals.hurry.aborted ? 0 : settings.drainMs);
  return exitCode;
}
