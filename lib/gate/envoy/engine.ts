import { canBind } from "../../base/can_bind.ts";
import { Problem, reasonOf } from "../../base/errors.ts";
import { pause } from "../../base/pause.ts";
import type { Gate, GateEngine, GateOptions, GateRoutes, GateStats } from "../route.ts";
import type { AdsServer } from "./ads_server.ts";
import { EnvoyAdmin } from "./admin.ts";
import { gateEnvoyBootstrap } from "./bootstrap.ts";
import { ControlPlane } from "./control_plane.ts";
import { drainEnvoy } from "./drain.ts";
import { EnvoyChild } from "./envoy_child.ts";
import { LISTENERS } from "./listeners.ts";
import { CLUSTER_TYPE, LISTENER_TYPE } from "./resources.ts";
import { writeRoots } from "./roots.ts";

const START_MS = 15_000;
/** Envoy may be a container of its own, whose image is on its way. */
const BESIDE_MS = 120_000;
const POLL_MS = 10;

/** Where hgate and an Envoy that is not its child meet: a directory that both see under one name. */
export interface MeetingPlace {
  /** Unix socket that hgate serves on, as in the bootstrap. */
  adsPath: string;
  /** Unix socket of Envoy's admin interface, as in the bootstrap. */
  adminPath: string;
}

/** What only this engine has a word in. */
export interface EnvoyTuning {
  /** How often a stream that goes on tells of its bytes, for statistics. @default {10000} */
  openStreamsMs?: number;
}

type Options = GateOptions & EnvoyTuning;

/**
 * The gate by an Envoy that is hgate's child: it ends with it.
 *
 * @param envoyPath the binary, 1.40 or later
 */
export function envoyGate(envoyPath: string, tuning: EnvoyTuning = {}): GateEngine {
  return { name: "envoy", serve: (options) => serveChild(envoyPath, { ...options, ...tuning }) };
}

/**
 * The gate by an Envoy that lives by itself, in a container of the same pod, started with {@link gateEnvoyBootstrap}: neither hgate's end
 * nor its upgrade ends a stream. Its limit of streams is that of its bootstrap; `drain` and disposal leave it alone, for which
 * {@link drainEnvoy} is there.
 */
export function envoyGateBeside(place: MeetingPlace, tuning: EnvoyTuning = {}): GateEngine {
  return { name: "envoy", serve: (options) => serveBeside(place, { ...options, ...tuning }) };
}

async function serveChild(envoyPath: string, options: Options): Promise<Gate> {
  const directory = await Deno.makeTempDir({ prefix: "hgate-" });
  const place = { adsPath: `${directory}/ads`, adminPath: `${directory}/admin` };
  const configPath = `${directory}/bootstrap.json`;
  const gate = new EnvoyGate(place, await controlPlane(place, directory, 0o600, options), directory);
  try {
    await gate.control.listen();
    // This Envoy is new: that there is nothing yet is the truth.
    gate.control.ads.publish(CLUSTER_TYPE, { resources: new Map(), kept: () => false });
    gate.control.open();
    await Deno.writeTextFile(
      configPath,
      JSON.stringify(gateEnvoyBootstrap({ ...place, maxTunnels: options.maxTunnels })),
    );
    gate.own(
      new EnvoyChild({
        path: envoyPath,
        configPath,
        workers: options.workers ?? 1,
        onEnd: () => gate.control.counters.lost(),
      }),
    );
    await gate.untilListening(options.ports, START_MS);
    return gate;
  } catch (error) {
    const words = await gate.lastWords();
    await gate[Symbol.asyncDispose]();
    throw cannotServe(
      `serve the gate on ports ${Object.values(options.ports).join(", ")} with ${envoyPath}`,
      error,
      words,
    );
  }
}

async function serveBeside(place: MeetingPlace, options: Options): Promise<Gate> {
  const directory = place.adsPath.slice(0, place.adsPath.lastIndexOf("/"));
  const gate = new EnvoyGate(place, await controlPlane(place, directory, 0o660, options));
  try {
    await gate.control.listen();
    await gate.openIfNew(BESIDE_MS);
    await gate.untilListening(options.ports, BESIDE_MS);
    return gate;
  } catch (error) {
    await gate[Symbol.asyncDispose]();
    throw cannotServe(`meet an Envoy at ${place.adminPath}`, error, "");
  }
}

async function controlPlane(
  place: MeetingPlace,
  directory: string,
  socketMode: number,
  options: Options,
): Promise<[ControlPlane, EnvoyAdmin]> {
  const admin = new EnvoyAdmin(place.adminPath);
  const roots = await writeRoots(directory, options.frontEndRoots);
  const hostname = options.hostname ?? (canBind("::") ? "::" : "0.0.0.0");
  const listeners = {
    ports: options.ports,
    hostname,
    helloMs: options.limits?.helloMs,
    openStreamsMs: options.openStreamsMs,
  };
  const control = new ControlPlane({
    ...options,
    socketPath: place.adsPath,
    socketMode,
    admin,
    roots,
    limits: options.limits,
    listeners,
  });
  return [control, admin];
}

function cannotServe(tried: string, error: unknown, words: string): Problem {
  return new Problem({
    tried,
    got: [reasonOf(error), words].filter((part) => part !== "").join(": "),
    fix: "see that the ports are free and that Envoy is 1.40 or later",
    cause: error,
  });
}

/** The gate on an Envoy, and its control plane. */
export class EnvoyGate implements Gate {
  ports: GateOptions["ports"] = { tunnels: 0, istiod: 0 };
  readonly ended: Promise<void>;
  readonly control: ControlPlane;
  readonly #place: MeetingPlace;
  readonly #admin: EnvoyAdmin;
  readonly #directory: string | undefined;
  readonly #settle: { resolve(): void; reject(error: unknown): void };
  #child: EnvoyChild | undefined;
  #closing: Promise<void> | undefined;

  /** @param directory hgate's own, removed in the end */
  constructor(place: MeetingPlace, [control, admin]: [ControlPlane, EnvoyAdmin], directory?: string) {
    this.#place = place;
    this.#admin = admin;
    this.#directory = directory;
    this.control = control;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {}); // for who does not look at it
    this.ended = promise;
    this.#settle = { resolve, reject };
  }

  get ads(): AdsServer {
    return this.control.ads;
  }

  /** The Envoy that ends with the gate, if that is so. */
  get child(): EnvoyChild | undefined {
    return this.#child;
  }

  /** Takes over an Envoy: it ends with the gate. */
  own(child: EnvoyChild): void {
    this.#child = child;
    child.lost.catch((error) => this.#settle.reject(error));
  }

  async lastWords(): Promise<string> {
    return await this.#child?.lastWords() ?? "";
  }

  async untilListening(asked: GateOptions["ports"], limitMs: number): Promise<void> {
    const untilMs = performance.now() + limitMs;
    const lost = this.#child?.lost ?? new Promise<never>(() => {});
    const ended = this.#child ? endedOf(this.#child) : new Promise<never>(() => {});
    for (;;) {
      const ports = await Promise.race([this.#listening(asked).catch(() => undefined), lost, ended]);
      if (ports) {
        this.ports = ports;
        return;
      }
      const refused = this.control.ads.refusal(LISTENER_TYPE);
      if (refused) throw refused;
      if (performance.now() > untilMs) throw new Error(`Envoy does not listen after ${limitMs} ms`);
      await pause(POLL_MS);
    }
  }

  /** An Envoy that was there before this hgate keeps what it has until the first update. */
  async openIfNew(limitMs: number): Promise<void> {
    await this.control.ads.until(() => this.control.ads.connected, AbortSignal.timeout(limitMs));
    if ((await this.#admin.listenerPorts()).size === 0) this.control.open();
  }

  async #listening(asked: GateOptions["ports"]): Promise<GateOptions["ports"] | undefined> {
    if (!this.control.ads.connected || !await this.#admin.isReady()) return undefined;
    const ports = await this.#admin.listenerPorts();
    const [tunnels, istiod, services] = [LISTENERS.tunnels, LISTENERS.istiod, LISTENERS.services].map((name) =>
      ports.get(name)
    );
    if (!tunnels || !istiod || (asked.services !== undefined && !services)) return undefined;
    return { tunnels, istiod, ...services !== undefined && { services } };
  }

  async update(routes: GateRoutes): Promise<void> {
    await this.control.update(routes);
  }

  stats(): Promise<GateStats> {
    return this.control.stats();
  }

  async drain(limitMs: number): Promise<void> {
    if (this.#child) await drainEnvoy(this.#place.adminPath, limitMs);
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    this.#settle.resolve();
  }

  #close(): Promise<void> {
    return this.#closing ??= this.#end();
  }

  async #end(): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]();
    await this.control[Symbol.asyncDispose]();
    if (this.#directory) await Deno.remove(this.#directory, { recursive: true }).catch(() => {});
  }
}

/** Rejects at Envoy's first end. */
async function endedOf(child: EnvoyChild): Promise<never> {
  await child.firstEnd;
  throw new Error("Envoy ended at its start");
}
