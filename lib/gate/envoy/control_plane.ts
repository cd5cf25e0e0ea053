import { logger } from "../../base/log.ts";
import { pause } from "../../base/pause.ts";
import { checkRoutes } from "../embedded/check_routes.ts";
import { OncePerMinute } from "../embedded/once_per_minute.ts";
import type { GateLimits, GateOptions, GateRoutes, GateStats } from "../route.ts";
import { AudienceTokens } from "./audience_tokens.ts";
import { type LoggedStream, readAccessLog } from "./access_log.ts";
import type { EnvoyAdmin } from "./admin.ts";
import { AdsServer } from "./ads_server.ts";
import { Counters } from "./counters.ts";
import { GrpcServer } from "./grpc_server.ts";
import type { ListenerOptions } from "./listeners.ts";
import {
  CLUSTER_TYPE,
  type ClusterPlan,
  clusterPlans,
  clusterResources,
  LISTENER_TYPE,
  listenerResources,
} from "./resources.ts";
import type { FrontEndRoots } from "./roots.ts";

const ADS_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const LOG_METHOD = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/** Routes do not wait longer for tokens; those without one are served as soon as it is there. */
const TOKENS_MS = 3_000;
/** Clusters wait for DNS. */
const WARM_MS = 6_000;
const WARM_POLL_MS = 5;
/** Tokens that come together are told together. */
const TOGETHER_MS = 2;

const NO_ROUTES: GateRoutes = { tunnels: [], istiod: [] };

const log = logger("hgate", "envoy");

export interface ControlPlaneOptions extends Pick<GateOptions, "tokens" | "onUnknownName" | "allowCleartext"> {
  /** Unix socket that Envoy asks on; what is there is replaced. */
  socketPath: string;
  socketMode: number;
  admin: EnvoyAdmin;
  roots: FrontEndRoots;
  limits: GateLimits | undefined;
  listeners: ListenerOptions;
}

/** hgate's side of an Envoy: routes and tokens go to it, its access log comes back. */
export class ControlPlane implements AsyncDisposable {
  readonly ads = new AdsServer();
  readonly counters = new Counters();
  readonly #options: ControlPlaneOptions;
  readonly #tokens: AudienceTokens;
  readonly #names = new OncePerMinute();
  readonly #stop = new AbortController();
  #grpc: GrpcServer | undefined;
  #plans = new Map<string, ClusterPlan>();
  #routes = NO_ROUTES;
  #updated = false;
  #updating: Promise<void> = Promise.resolve();
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.#tokens = new AudienceTokens(options.tokens, () => this.#publishSoon());
  }

  /** @throws the runtime's error when the socket cannot be made */
  async listen(): Promise<void> {
    const { socketPath, socketMode } = this.#options;
    await Deno.remove(socketPath).catch(() => {}); // of an hgate that was killed
    this.#grpc = new GrpcServer(
      socketPath,
      new Map([
        [ADS_METHOD, (call) => this.ads.serve(call)],
        [LOG_METHOD, (call) => readAccessLog(call, (stream) => this.#logged(stream))],
      ]),
    );
    await Deno.chmod(socketPath, socketMode);
  }

  /** Opens the ports, with nothing behind them yet; an Envoy that has clusters already keeps them until the first update. */
  open(): void {
    this.#publishListeners(NO_ROUTES);
  }

  #publishListeners(routes: GateRoutes): void {
    const resources = listenerResources(this.#options.listeners, routes);
    this.ads.publish(LISTENER_TYPE, { resources, kept: () => false });
  }

  /** As `Gate.update`. @throws {Problem} routes that cannot be used, or that Envoy refuses */
  update(routes: GateRoutes): Promise<void> {
    const update = this.#updating.then(() => this.#update(routes));
    this.#updating = update.catch(() => {});
    return update;
  }

  async #update(routes: GateRoutes): Promise<void> {
    checkRoutes(routes, this.#options.allowCleartext ?? false);
    const { signal } = this.#stop;
    this.#routes = routes;
    this.#plan();
    const audiences = new Set(routes.tunnels.map(({ audience }) => audience));
    await within(TOKENS_MS, this.#tokens.keep(audiences), signal);
    this.#updated = true;
    this.#publish();
    this.#publishListeners(routes);
    await this.ads.settled(signal);
    await this.#warm(signal);
  }

  /** What was sent to Envoy is used by it: a cluster begins to be used when it has its addresses. */
  async #warm(signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + WARM_MS;
    while (performance.now() < untilMs) {
      const stats = await this.#options.admin.stats("^cluster_manager.warming_clusters$").catch(() => new Map());
      if (stats.get("cluster_manager.warming_clusters") === 0) return;
      await pause(WARM_POLL_MS, signal);
    }
    log.warn("some services are not served yet: their names do not resolve");
  }

  async stats(): Promise<GateStats> {
    return this.counters.stats(await this.#options.admin.stats(), this.#plans);
  }

  #plan(): void {
    const { roots, limits } = this.#options;
    const frontEnds = { rootsPathFor: (host: string) => roots.pathFor(host), ...limits };
    this.#plans = clusterPlans(this.#routes, frontEnds, this.#plans);
  }

  #publishSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#publish();
    }, TOGETHER_MS);
  }

  #publish(): void {
    if (!this.#updated) return;
    // Without a token at hand, an Envoy that has one already goes on with it.
    const resources = clusterResources(this.#plans, (audience) => this.#tokens.of(audience));
    this.ads.publish(CLUSTER_TYPE, { resources, kept: (name) => this.#plans.has(name) });
  }

  #logged(stream: LoggedStream): void {
    const { kind, serverName, cluster, status, reason } = stream;
    const plan = this.#plans.get(cluster ?? `${kind}/${serverName}`);
    if (cluster === undefined && !plan) return this.#unknown(serverName);
    if (!plan) return;
    this.counters.take(plan.service, cluster === undefined ? { ...stream, result: "failed" } : stream);
    if (status === 401 && plan.audience !== undefined) this.#tokens.refused(plan.audience);
    if (this.#options.roots.refused(reason)) {
      log.warn("a front end's certificate is not signed by Google: all of the system's roots are taken from now on");
      this.#plan();
      this.#publishSoon();
    }
    if (stream.ended && stream.result !== "ok" && this.#names.allows(`${plan.service} ${stream.result} ${reason}`)) {
      const why = cluster === undefined ? "there is no ID token for it yet" : reason;
      log.warn("a stream of the mesh could not be carried", { service: plan.service, result: stream.result, why });
    }
  }

  #unknown(serverName: string): void {
    if (serverName === "") return; // counted by Envoy as no name, or as no TLS
    this.counters.unknownName();
    if (!this.#names.allows(serverName)) return;
    if (this.#options.onUnknownName) this.#options.onUnknownName(serverName);
    else log.warn("closed a connection that asks for an unknown service", { serverName });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the gate ends"));
    clearTimeout(this.#soon);
    this.#tokens[Symbol.dispose]();
    await this.#grpc?.[Symbol.asyncDispose]();
    await Deno.remove(this.#options.socketPath).catch(() => {});
  }
}

/** Waits for `work`, but not longer than `ms`. */
async function within(ms: number, work: Promise<void>, signal: AbortSignal): Promise<void> {
  const late = new AbortController();
  const timer = pause(ms, AbortSignal.any([signal, late.signal]));
  timer.catch(() => {});
  await Promise.race([work, timer]);
  late.abort(new Error("done"));
}
