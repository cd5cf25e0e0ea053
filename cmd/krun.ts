import { logger } from "../lib/base/log.ts";
import {
  appEnvironment,
  describeProbe,
  probeOf,
  reapOrphans,
  requireApart,
  requireFree,
  startApp,
  waitForApp,
} from "../lib/app/mod.ts";
import { discover } from "../lib/cluster/mod.ts";
import { serveHealth, type Status } from "../lib/health/mod.ts";
import { grpcBootstrap, noProxy, PORTS } from "../lib/proxy/mod.ts";
import { environmentLayers, flagLayer, resolve } from "../lib/settings/mod.ts";
import type { TunnelEnd } from "../lib/tunnel/mod.ts";
import {
  aloneUnless,
  beginTunnel,
  drainAt,
  drainMs,
  drainRest,
  joinMesh,
  type KrunOutside,
  openTunnel,
  ownGroup,
  pathsOf,
  proxyVariables,
  reasonNotReady,
  startProxy,
  unlessEnded,
  untilEnd,
} from "./krun_stages.ts";
import { clearAway } from "./clear_away.ts";
import { followMeshEnv } from "./follow_mesh_env.ts";
import { beginCapture, lookForIptables } from "./capture_stage.ts";
import { listenForSignals } from "./signals.ts";
import { Stopwatch } from "./stopwatch.ts";

const log = logger("krun");

/**
 * Joins the mesh, runs the app, ends with it: settings → cluster → mesh → identity → proxy → capture → app → tunnel.
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
  const discovery = await orAlone(
    unlessEnded(signals, discover(outside)),
    { settings: given, kube: undefined, facts: undefined, cluster: undefined },
  );
  using _kube = discovery.kube;
  const { settings } = discovery;
  watch.lap("cluster");
  signals.limitEnd(settings.graceMs);
  const probe = probeOf(settings);
  requireApart(settings);
  if (command.length > 0 && probe.kind !== "none") await requireFree(settings.appPort);

  const paths = pathsOf(settings);
  await using mesh = await orAlone(unlessEnded(signals, joinMesh(discovery, paths)), undefined);
  watch.lap("identity");
  await using rules = beginCapture({
    settings,
    environment: outside.environment,
    look,
    early: command.length > 0 && !!mesh,
  });
  // Not left alone when a signal comes: it ends its own processes first.
  await using proxy = await orAlone(startProxy(discovery, mesh, paths, outside, signals), noProxy(PORTS.inbound));
  signals.first.throwIfAborted();
  watch.lap("proxy");
  await using meshEnv = mesh && followMeshEnv(discovery, mesh, proxy, signals.first);
  let tunnel: TunnelEnd | undefined;
  let isOpen = false;
  await using _health = settings.healthPort === 0 ? undefined : serveHealth({
    port: settings.healthPort,
    status: async (): Promise<Status> => ({
      notReady: reasonNotReady(signals.first.aborted, isOpen, proxy.health.up),
      startMs: watch.laps(),
      proxyUp: proxy.health.up,
      proxyRestarts: proxy.health.restarts,
      tokenExpiresAt: mesh?.tokenExpiresAt(),
      meshEnvReadAt: meshEnv?.readAt(),
      tunnels: await tunnel?.stats().catch(() => undefined),
    }),
    quit: () => signals.quit(),
  });
  await using capture = await rules.inForce(mesh !== undefined && !alone);
  const variables = await orAlone(unlessEnded(signals, proxyVariables(settings, capture, proxy)), {});
  watch.lap("capture");

  await using app = command.length > 0
    ? startApp({
      command: command as [string, ...string[]],
      environment: appEnvironment(
        outside.environment,
        { port: settings.appPort, grpcBootstrap: grpcBootstrap(settings, paths) },
        variables,
      ),
      uid: settings.appUid,
      signalGroup: ownGroup(settings),
      graceMs: settings.graceMs,
      hurry: signals.hurry,
      processes: paths.processes,
    })
    : undefined;
  using threads = beginTunnel(settings); // while the app gets ready
  using _orphans = reapOrphans(() => [...proxy.pids, ...(app ? [app.pid] : [])]);
  if (app) signals.onEach((signal) => app.signal(signal));
  const ready = waitForApp(probe, {
    limitMs: settings.startupProbeMs,
    appPort: settings.appPort,
    notTheApp: proxy.pids,
    ...(app ? {} : { signal: signals.first }),
  });
  const ended = app ? await Promise.race([app.exitCode, ready.then(() => undefined)]) : await ready;
  ready.catch(() => {}); // lost the race against the app's own end
  if (ended !== undefined) {
    if (!signals.first.aborted) log.error(`the app ended with ${ended} before it was ready on ${describeProbe(probe)}`);
    return ended;
  }
  watch.lap("app");

  await using _tunnel = tunnel = await openTunnel(settings, proxy, threads);
  isOpen = true;
  const drained = drainAt(signals, drainMs(settings.graceMs), tunnel, proxy);
  watch.lap("tunnel");
  log.info(`${alone ? "alone" : "in the mesh"} after ${watch.totalMs()} ms`, {
    ...watch.laps(),
    ...(discovery.cluster ? { cluster: discovery.cluster } : {}),
    ...(tunnel ? { tunnelPort: tunnel.port } : {}),
  });
  const exitCode = await untilEnd(app, proxy, tunnel, signals);
  await (app ? drainRest(signals, tunnel) : drained);
  return exitCode;
}
