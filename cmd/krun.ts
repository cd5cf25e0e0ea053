import { logger } from "../lib/base/log.ts";
import { discover } from "../lib/cluster/mod.ts";
import { noProxy, PORTS } from "../lib/proxy/mod.ts";
import { environmentLayers, flagLayer, resolve } from "../lib/settings/mod.ts";
import { probeFor, runApp, untilReady } from "./app_stage.ts";
import { beginCapture, lookForIptables } from "./capture_stage.ts";
import { clearAway } from "./clear_away.ts";
import { followMeshEnv } from "./follow_mesh_env.ts";
import { type Running, tellOfIt } from "./health_stage.ts";
import {
  aloneUnless,
  beginTunnel,
  drainAt,
  drainMs,
  drainRest,
  joinMesh,
  type KrunOutside,
  openEarly,
  openTunnel,
  pathsOf,
  proxyVariables,
  startProxy,
  unlessEnded,
  untilEnd,
} from "./krun_stages.ts";
import { listenForSignals } from "./signals.ts";
import { Stopwatch } from "./stopwatch.ts";

const log = logger("krun");

/**
 * Joins the mesh, runs the app, ends with it: settings → cluster → mesh → identity → proxy → capture → app → tunnel.
 * What a later stage needs and can be had earlier is begun earlier, and awaited at its place.
 * @param command the app's; empty for an app in another container
 * @returns the app's exit code
 */
export async function krun(command: readonly string[], outside: KrunOutside): Promise<number> {
  using signals = listenForSignals();
  const watch = new Stopwatch();
  const given = resolve([flagLayer(outside.flags), ...environmentLayers(outside.environment)]);
  const look = lookForIptables(given, outside.environment);
  let alone = false;
  const orAlone = aloneUnless(given.meshRequired, () => alone = true);
  await clearAway(given, outside.environment);

  const nothing = { settings: given, kube: undefined, facts: undefined, cluster: undefined };
  const discovery = await orAlone(unlessEnded(signals, discover(outside)), nothing);
  using _kube = discovery.kube;
  const { settings, cluster } = discovery;
  watch.lap("cluster");
  signals.limitEnd(settings.graceMs);
  const probe = await probeFor(command, settings);

  const paths = pathsOf(settings);
  await using mesh = await orAlone(unlessEnded(signals, joinMesh(discovery, paths)), undefined);
  watch.lap("identity");

  const early = command.length > 0 && mesh !== undefined;
  await using rules = beginCapture({ settings, environment: outside.environment, look, early });
  // Not left alone when a signal comes: it ends its own processes first.
  await using proxy = await orAlone(startProxy(discovery, mesh, paths, outside, signals), noProxy(PORTS.inbound));
  signals.first.throwIfAborted();
  watch.lap("proxy");
  await using meshEnv = mesh && followMeshEnv(discovery, mesh, proxy, signals.first);
  const running: Running = { mesh, meshEnv, proxy, isOpen: false };
  await using _health = tellOfIt(settings.healthPort, { running, watch, signals });

  await using capture = await rules.inForce(mesh !== undefined && !alone);
  const variables = await orAlone(unlessEnded(signals, proxyVariables(settings, capture, proxy)), {});
  watch.lap("capture");

  using open = openEarly(settings);
  await using child = runApp(command, { settings, outside, paths, signals, proxy, variables });
  using threads = beginTunnel(settings); // while the app gets ready
  const ended = await untilReady(child.app, probe, { settings, proxy, signals });
  if (ended !== undefined) return ended;
  watch.lap("app");

  await using tunnel = running.tunnel = await openTunnel(settings, proxy, { threads, open });
  running.isOpen = true;
  const drained = drainAt(signals, drainMs(settings.graceMs), tunnel, proxy);
  watch.lap("tunnel");
  log.info(`${alone ? "alone" : "in the mesh"} after ${watch.totalMs()} ms`, {
    ...watch.laps(),
    ...(cluster ? { cluster } : {}),
    ...(tunnel ? { tunnelPort: tunnel.port } : {}),
  });
  const exitCode = await untilEnd(child.app, proxy, tunnel, signals);
  await (child.app ? drainRest(signals, tunnel) : drained);
  return exitCode;
}
