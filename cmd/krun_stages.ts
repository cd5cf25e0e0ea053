/** The stages of `krun`, each one function; `krun.ts` puts them in a line. */
import { Problem, UsageError } from "../lib/base/errors.ts";
import { logger } from "../lib/base/log.ts";
import { onAbort, untilAborted } from "../lib/base/on_abort.ts";
import type { App } from "../lib/app/mod.ts";
import type { Capture, NoCapture } from "../lib/capture/mod.ts";
import type { Discovery, Outside } from "../lib/cluster/mod.ts";
import { keepIdentity, type Paths, pathsBelow } from "../lib/identity/mod.ts";
import { controlPlaneOf, type MeshState, rootsOf } from "../lib/mesh/mod.ts";
import { keepRunning, noProxy, PORTS, type RunningProxy, startPlainProxy, startSidecar } from "../lib/proxy/mod.ts";
import type { Settings } from "../lib/settings/mod.ts";
import {
  beginThreads,
  type BegunThreads,
  krunTunnel,
  type OpenPort,
  openPort,
  type TunnelEnd,
  tunnelRoutes,
} from "../lib/tunnel/mod.ts";
import type { Interrupted, Signals } from "./signals.ts";

const log = logger("krun");

/** The outside world of a run of krun. */
export interface KrunOutside extends Outside {
  environment: Readonly<Record<string, string>>;
}

/** Tunnels are cut a while before the app is killed: an app that waits for its last peer then ends by itself. */
export function drainMs(graceMs: number): number {
  return Math.max(graceMs / 2, graceMs - 1_000);
}

/** Without the app a tunnel can only carry the rest of what it said. */
const AFTER_APP_MS = 400;

/** At the first signal to end: nothing new on 15009, and inbound connections of the mesh are told to go elsewhere. */
export function drainAt(
  { first, hurry }: Signals,
  limitMs: number,
  tunnel: TunnelEnd | undefined,
  proxy: RunningProxy,
): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => resolve(); // a tunnel whose thread died is told elsewhere
    onAbort(first, () => void Promise.all([tunnel?.drain(limitMs), proxy.drain()]).then(settle, settle));
    onAbort(hurry, () => void Promise.resolve(tunnel?.drain(0)).then(settle, settle));
  });
}

/** The rest of what the app said, where nobody hurries. */
export async function drainRest({ hurry }: Signals, tunnel: TunnelEnd | undefined): Promise<void> {
  await tunnel?.drain(hurry.aborted ? 0 : AFTER_APP_MS);
}

/** What happens to a stage that fails where `MESH_REQUIRED` is false: `alone` stands in for it, loudly. Wrong use is no such failure. */
export function aloneUnless(required: boolean, tell: () => void) {
  return async <T, A>(stage: Promise<T>, alone: A): Promise<T | A> => {
    try {
      return await stage;
    } catch (error) {
      if (required || !(error instanceof Problem) || error instanceof UsageError) throw error;
      log.error(`the app starts WITHOUT the mesh, since MESH_REQUIRED is false: cannot ${error.message}`);
      tell();
      return alone;
    }
  };
}

/** Below `/` in a container, the working directory elsewhere. */
export function pathsOf(settings: Settings): Paths {
  return pathsBelow(settings.baseDir ?? (Deno.uid() === 0 ? "/" : Deno.cwd()));
}

/** Control plane, roots and identity; nothing where no mesh is wanted. */
export async function joinMesh({ settings, kube }: Discovery, paths: Paths) {
  if (!kube) return undefined;
  const controlPlane = controlPlaneOf(settings);
  const roots = rootsOf(settings, controlPlane);
  if (settings.caPool) {
    log.warn(`CA_POOL ${settings.caPool} is left alone: the certificate comes from ${controlPlane.caAddress}`);
  }
  const identity = await keepIdentity({ settings, controlPlane, roots, kube, paths });
  let state: MeshState = { settings, controlPlane, roots };
  return {
    /** What holds now: mesh-env may change it. */
    state: () => state,
    tokenExpiresAt: () => identity.tokenExpiresAt(),
    async change(to: MeshState) {
      await identity.change(to);
      state = to;
    },
    [Symbol.asyncDispose]: () => identity[Symbol.asyncDispose](),
  };
}

export type Mesh = NonNullable<Awaited<ReturnType<typeof joinMesh>>>;

export async function startProxy(
  { settings, facts }: Discovery,
  mesh: Mesh | undefined,
  paths: Paths,
  { environment }: KrunOutside,
  signals: Signals,
): Promise<RunningProxy> {
  const { proxy, appPort } = settings;
  if (proxy === "plain") return await startPlainProxy({ appPort, environment, port: settings.proxyPort });
  if (proxy === "none" || settings.xdsAddress === "-") return noProxy(appPort);
  // A mesh that could not be joined leaves nobody to end mTLS: its tunnels get 503, not the app in the clear.
  if (!mesh) return noProxy(PORTS.inbound);
  const tunnel = settings.tunnel === "envoy"
    ? { port: settings.tunnelPort, routes: tunnelRoutes(settings, PORTS.inbound), appPort }
    : undefined;
  const start = (signal: AbortSignal) =>
    startSidecar({ ...mesh.state(), paths, facts, environment, tunnel, hurry: signals.hurry }, signal);
  return await keepRunning(start, { signal: signals.first });
}

/**
 * Variables by which the app finds the proxy, once the mesh is found there. With iptables it needs none, and waits only where MESH_FORWARD
 * leads it to the same proxy.
 */
export async function proxyVariables(
  settings: Settings,
  capture: Capture | NoCapture,
  proxy: RunningProxy,
): Promise<Readonly<Record<string, string>>> {
  if (capture.use === "iptables" && !settings.forwards) return {};
  const variables = await proxy.appEnvironment();
  return capture.use === "iptables" ? {} : variables;
}

/** Whether the app is to lead a group of its own. Not at a terminal: it would lose that, and with it its keyboard and its signals. */
export function ownGroup({ signalGroup }: Settings): boolean {
  const terminal = Deno.stdin.isTerminal();
  if (signalGroup && terminal) {
    log.warn("KRUN_SIGNAL_GROUP is left alone at a terminal, whose keys reach all of the group");
  }
  return signalGroup && !terminal;
}

/** Threads of the tunnel's end, which take as long to be there as many an app. */
export function beginTunnel(settings: Settings): BegunThreads {
  const workers = settings.tunnelWorkers ?? defaultWorkers(navigator.hardwareConcurrency);
  return beginThreads(settings.tunnel === "krun" ? workers : 1);
}

/**
 * 15009 before the app is ready, where that is wanted: it accepts, as a startup probe has to see, and what comes waits. The app may be in
 * another container that Cloud Run starts only when this one is ready.
 */
export function openEarly({ tunnel, tunnelOpens, tunnelPort }: Settings): OpenPort | undefined {
  if (tunnel !== "krun" || tunnelOpens !== "network") return undefined;
  const open = openPort({ port: tunnelPort, shared: true });
  log.info(`port ${open.port} accepts, requests wait for the app`);
  return open;
}

/** 15009 comes last: the front end sends requests as soon as it accepts. */
export async function openTunnel(
  settings: Settings,
  proxy: RunningProxy,
  { threads, open }: { threads: BegunThreads; open: OpenPort | undefined },
): Promise<TunnelEnd | undefined> {
  if (settings.tunnel !== "krun") return undefined;
  return await krunTunnel.serve({
    port: settings.tunnelPort,
    open,
    routes: tunnelRoutes(settings, proxy.inboundPort),
    appPort: settings.appPort,
    threads,
  });
}

/** Half the cores, the app has the others; a thread costs 12 to 20 MB (docs/tunnel-end.md). */
function defaultWorkers(cores: number): number {
  return Math.max(1, Math.min(4, Math.floor(cores / 2)));
}

/** The app's own end, or that of the proxy or the tunnel; without an app of ours, the signal to end. */
export async function untilEnd(
  app: App | undefined,
  proxy: RunningProxy,
  tunnel: TunnelEnd | undefined,
  signals: Signals,
): Promise<number> {
  const { first } = signals;
  const signalled = untilAborted(first).then(() => (first.reason as Interrupted).signal === "SIGTERM" ? 0 : 130);
  const proxyEnded = proxy.ended.then((reason) => {
    log.error(`the proxy has ended, so the app does too: ${reason}`);
    return 1;
  });
  const tunnelEnded = (tunnel?.ended ?? new Promise<void>(() => {})).then(() => new Promise<never>(() => {}));
  return await Promise.race([app?.exitCode ?? signalled, proxyEnded, tunnelEnded]);
}

/** Waits for a stage of the start, but not past a signal to end. */
export async function unlessEnded<T>(signals: Signals, stage: Promise<T>): Promise<T> {
  const { first } = signals;
  let stop = () => {};
  const ended = new Promise<never>((_, reject) => {
    stop = () => reject(first.reason);
    if (first.aborted) stop();
    else first.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([stage, ended]);
  } finally {
    first.removeEventListener("abort", stop);
    ended.catch(() => {});
  }
}
