import { linked } from "../../base/linked.ts";
import { logger } from "../../base/log.ts";
import { untilAborted } from "../../base/on_abort.ts";
import { pause } from "../../base/pause.ts";
import { reasonOf } from "../../base/errors.ts";
import { type Followed, keepLease, type KubeClient, type Lease, loadBalancerAddress } from "../../kube/mod.ts";
import type { GateRoutes } from "../route.ts";
import type { RouteProblem } from "../status.ts";
import { AutoRegistration } from "./auto_registration.ts";
import { type CloudRun, type KeptOptions, KeptServices } from "./cloud_run.ts";
import { MeshEnvKeeper, meshEnvOf, type MeshFacts } from "./mesh_env.ts";
import { type RouteOptions, routesOf } from "./routes.ts";
import { followRoutes, followWrites, heardAt, type RouteSets, type WriteSets } from "./sets.ts";

const log = logger("hgate", "controller");

export interface ControllerOptions extends Omit<RouteOptions, "vouched"> {
  kube: KubeClient;
  /** The gate's own: where its Services, its lease, mesh-env and Istio's roots are. @default "istio-system" */
  namespace?: string;
  /** Unique among the replicas, e.g. the pod's name. */
  identity: string;
  /** Custom audiences that an administrator vouches for. */
  vouched?: RouteOptions["vouched"];
  /** Whether 15443 is served. @default {false} */
  passthrough?: boolean;
  /** For auto-registration; without it none is done. */
  cloudRun?: (CloudRun & { kept?: KeptOptions }) | undefined;
  /** For mesh-env; without them it is left alone. */
  facts?: MeshFacts | undefined;
  /** Told when the routes are other than before; the first time when all that they are made of was read. */
  onRoutes: (routes: GateRoutes) => void;
  /** Changes that come within this long are taken together. @default {50} */
  settleMs?: number;
  /** As in {@link keepLease}. */
  lease?: { durationMs?: number; renewWithinMs?: number; everyMs?: number };
}

/** What a replica makes of the cluster: routes in every one, writing in the one that leads. */
export interface Controller extends AsyncDisposable {
  /** Resolves with the first routes. */
  readonly ready: Promise<void>;
  routes(): GateRoutes;
  problems(): RouteProblem[];
  isLeader(): boolean;
  /** Who leads, by the lease as last seen. */
  leader(): string | undefined;
  /** When all sets were last known to be whole, milliseconds since 1970; `undefined` before the first routes. */
  clusterHeardAt(): number | undefined;
  /** Why a set of objects is behind, e.g. a right that is missing; the first of them. */
  trouble(): string | undefined;
}

const LEASE = "hgate";
/** The same trouble is a line a minute: an API server that is away is asked by a dozen watches. */
const TOLD_AGAIN_MS = 60_000;

/** Follows the cluster: turns what is registered into routes, and, while this replica leads, writes mesh-env and registrations. */
export function startController(options: ControllerOptions): Controller {
  const { kube, namespace = "istio-system", settleMs = 50, facts, cloudRun } = options;
  const ending = new AbortController();
  const { promise: ready, resolve: haveRoutes } = Promise.withResolvers<void>();
  const onTrouble = (what: string) => {
    let told = { reason: "", at: -Infinity };
    return (error: Error, waitMs: number) => {
      const reason = reasonOf(error);
      const isNews = reason !== told.reason || performance.now() - told.at > TOLD_AGAIN_MS;
      if (isNews) told = { reason, at: performance.now() };
      log[isNews ? "warn" : "debug"](`${what}: ${reason}; again in ${Math.round(waitMs)} ms`);
    };
  };

  let routes: GateRoutes = { tunnels: [], istiod: [] };
  let routeProblems: RouteProblem[] = [];
  let writeProblems: RouteProblem[] = [];
  let text = "";
  const changed = new Signal();
  const sets = followRoutes(kube, {
    passthrough: options.passthrough ?? false,
    onChange: () => changed.set(),
    onTrouble,
  });

  const route = async () => {
    await Promise.race([Promise.all(all(sets).map(({ synced }) => synced)), untilAborted(ending.signal)]);
    while (!ending.signal.aborted) {
      changed.clear();
      const found = routesOf(sets.objects(), { ...options, vouched: options.vouched });
      routeProblems = found.problems;
      const now = JSON.stringify(found.routes);
      if (now !== text) {
        text = now;
        routes = found.routes;
        options.onRoutes(routes);
      }
      haveRoutes();
      await changed.wait(ending.signal).catch(() => {});
      await pause(settleMs, ending.signal).catch(() => {});
    }
  };

  const write = async (signal: AbortSignal) => {
    log.info("this replica writes");
    const wake = new Signal();
    const writes = followWrites(kube, { namespace, onChange: () => wake.set(), onTrouble, register: !!cloudRun });
    const stopListening = changed.also(() => wake.set());
    try {
      const meshEnv = new MeshEnvKeeper(kube, namespace, (line) => log.info(line));
      const defaults = { project: facts?.projectId, region: regionOf(facts?.clusterLocation) };
      const services = cloudRun && new KeptServices(cloudRun, cloudRun.kept);
      const registration = services &&
        new AutoRegistration({ kube, services, defaults, clusterDomain: options.clusterDomain });
      await Promise.race([
        Promise.all([...all(sets), ...all(writes)].map(({ synced }) => synced)),
        untilAborted(signal),
      ]);
      for (let failures = 0; !signal.aborted;) {
        wake.clear();
        const again = linked(signal);
        try {
          if (!lease.isHeld()) throw new Error("the lease is not held");
          if (facts) await meshEnv.reconcile(writes.meshEnvObject(), meshEnvOf(facts, writes.cluster()), signal);
          const done = await registration?.reconcile(
            {
              ...sets.registration(),
              ...writes.registration(sets),
              gateAddress: loadBalancerAddress(writes.cluster().internal),
            },
            signal,
          );
          writeProblems = done?.problems ?? [];
          failures = 0;
          const dueMs = Math.min((done?.nextAt ?? Infinity) - Date.now(), LONGEST_SLEEP_MS);
          await Promise.race([wake.wait(again.signal), pause(Math.max(dueMs, settleMs), again.signal)]).catch(() => {});
          await pause(settleMs, signal).catch(() => {});
        } catch (error) {
          if (signal.aborted) return;
          const waitMs = Math.min(500 * 2 ** failures++, 30_000) * (0.5 + Math.random());
          log.warn(`writing to the cluster: ${reasonOf(error)}; again in ${Math.round(waitMs)} ms`);
          await pause(waitMs, signal).catch(() => {});
        } finally {
          again.abort();
          again[Symbol.dispose]();
        }
      }
    } finally {
      stopListening();
      writeProblems = [];
      await Promise.all(all(writes).map((set) => set[Symbol.asyncDispose]()));
    }
  };

  const wantsToWrite = facts !== undefined || cloudRun !== undefined;
  const lease: Lease = wantsToWrite
    ? keepLease(kube, {
      namespace,
      name: LEASE,
      identity: options.identity,
      ...options.lease,
      onTrouble: (error) => log.warn(reasonOf(error)),
      onHolder: (holder) => log.info(holder ? `${holder} leads` : "nobody leads"),
    }, write)
    : NOBODY;
  const routing = route();
  return {
    ready,
    routes: () => routes,
    problems: () => [...routeProblems, ...writeProblems],
    isLeader: () => lease.isHeld(),
    leader: () => lease.holder(),
    clusterHeardAt: () => text === "" ? undefined : heardAt(all(sets)),
    trouble: () => all(sets).map((set) => set.status().trouble).find(Boolean),
    async [Symbol.asyncDispose]() {
      await lease[Symbol.asyncDispose](); // the writer first: it needs the sets
      ending.abort(new Error("the controller ends"));
      await routing;
      await Promise.all(all(sets).map((set) => set[Symbol.asyncDispose]()));
    },
  };
}

/** Nothing that is missed is missed for longer. */
const LONGEST_SLEEP_MS = 600_000;

const NOBODY: Lease = { isHeld: () => false, holder: () => undefined, [Symbol.asyncDispose]: () => Promise.resolve() };

const all = (sets: RouteSets | WriteSets): readonly Followed[] => sets.all;

/** `us-central1` of a region or of one of its zones, `us-central1-a`. */
export function regionOf(location: string | undefined): string | undefined {
  return location?.replace(/^([a-z]+-[a-z]+\d+)-[a-z]$/, "$1");
}

/** Something happened since the last look. */
class Signal {
  #isSet = false;
  readonly #listeners = new Set<() => void>();

  set(): void {
    this.#isSet = true;
    for (const listener of [...this.#listeners]) listener();
  }

  clear(): void {
    this.#isSet = false;
  }

  also(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Rejects when `signal` is aborted. */
  wait(signal: AbortSignal): Promise<void> {
    if (this.#isSet) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = () => {
        stop();
        reject(signal.reason);
      };
      const stop = this.also(() => {
        stop();
        signal.removeEventListener("abort", end);
        resolve();
      });
      if (signal.aborted) return end();
      signal.addEventListener("abort", end, { once: true });
    });
  }
}
