/** The stage `app`: the app as krun's child, or one in another container, until it is ready. */
import { logger } from "../lib/base/log.ts";
import {
  type App,
  appEnvironment,
  describeProbe,
  type Probe,
  probeOf,
  reapOrphans,
  requireApart,
  requireFree,
  startApp,
  waitForApp,
} from "../lib/app/mod.ts";
import type { Paths } from "../lib/identity/mod.ts";
import { grpcBootstrap, type RunningProxy } from "../lib/proxy/mod.ts";
import type { Settings } from "../lib/settings/mod.ts";
import { type KrunOutside, ownGroup } from "./krun_stages.ts";
import type { Signals } from "./signals.ts";

const log = logger("krun");

/** How the app is known to be ready. @throws {Problem} its port is krun's own, or taken */
export async function probeFor(command: readonly string[], settings: Settings): Promise<Probe> {
  const probe = probeOf(settings);
  requireApart(settings);
  if (command.length > 0 && probe.kind !== "none") await requireFree(settings.appPort);
  return probe;
}

/** Starts the app, which gets every signal from now on; nothing where it runs in another container. Reaps orphans either way. */
export function runApp(
  command: readonly string[],
  with_: {
    settings: Settings;
    outside: KrunOutside;
    paths: Paths;
    signals: Signals;
    proxy: RunningProxy;
    /** Proxy variables of the app. */
    variables: Readonly<Record<string, string>>;
  },
): AsyncDisposable & { app: App | undefined } {
  const { settings, outside, paths, signals, proxy, variables } = with_;
  const [program, ...args] = command;
  const app = program === undefined ? undefined : startApp({
    command: [program, ...args],
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
  });
  const orphans = reapOrphans(() => [...proxy.pids, ...(app ? [app.pid] : [])]);
  if (app) signals.onEach((signal) => app.signal(signal));
  return {
    app,
    async [Symbol.asyncDispose]() {
      orphans[Symbol.dispose]();
      await app?.[Symbol.asyncDispose]();
    },
  };
}

/** Waits until the app is ready. @returns the exit code of one that ended before */
export async function untilReady(
  app: App | undefined,
  probe: Probe,
  { settings, proxy, signals }: { settings: Settings; proxy: RunningProxy; signals: Signals },
): Promise<number | undefined> {
  const ready = waitForApp(probe, {
    limitMs: settings.startupProbeMs,
    appPort: settings.appPort,
    notTheApp: proxy.pids,
    ...(app ? {} : { signal: signals.first }),
  });
  ready.catch(() => {}); // may lose the race against the app's own end
  const ended = await Promise.race([ready.then(() => undefined), ...(app ? [app.exitCode] : [])]);
  if (ended !== undefined && !signals.first.aborted) {
    log.error(`the app ended with ${ended} before it was ready on ${describeProbe(probe)}`);
  }
  return ended;
}
