import { logger } from "../../base/log.ts";
import { closeQuietly } from "../../http2/mod.ts";
import type { GateOptions, GateRoutes, GateStats, PassRoute, TunnelRoute } from "../route.ts";
import { Counters } from "./counters.ts";
import { TcpEnd } from "./end.ts";
import { FrontEnds } from "./front_ends.ts";
import { HelloPort } from "./hello_port.ts";
import { OncePerMinute } from "./once_per_minute.ts";
import { OpenTunnels } from "./open_tunnels.ts";
import { pass } from "./pass.ts";
import { RefusedTokens } from "./refused_tokens.ts";
import { type LiveRoute, RouteTable } from "./route_table.ts";
import type { GateThread, ThreadCalls, ThreadOptions } from "./thread.ts";
import { tunnel, type TunnelEnded } from "./tunnel.ts";

const MOST_TUNNELS = 50_000;
/** Of a route without one of its own; as Envoy's tcp_proxy. */
const PASS_IDLE_MS = 3_600_000;

const log = logger("hgate", "gate");

/** The embedded gate on one thread: what comes in at its ports, by which route it goes on. */
export class GateServer implements GateThread {
  readonly #calls: ThreadCalls;
  readonly #refused: RefusedTokens;
  readonly #counters = new Counters();
  readonly #names = new OncePerMinute();
  readonly #reasons = new OncePerMinute();
  readonly #tunnels = new RouteTable<TunnelRoute>(({ url, path }) => `${url} ${path}`);
  readonly #istiod = new RouteTable<PassRoute>(({ host, port }) => `${host} ${port}`);
  readonly #services = new RouteTable<PassRoute>(({ host, port }) => `${host} ${port}`);
  #options!: ThreadOptions;
  #frontEnds!: FrontEnds;
  #open!: OpenTunnels;
  #ports: HelloPort[] = [];

  constructor(calls: ThreadCalls) {
    this.#calls = calls;
    this.#refused = new RefusedTokens(calls.tokens);
  }

  async serve(options: ThreadOptions): Promise<GateOptions["ports"]> {
    this.#options = options;
    this.#ports = [];
    this.#frontEnds = new FrontEnds(options);
    this.#open = new OpenTunnels(this.#counters, Math.ceil((options.maxTunnels ?? MOST_TUNNELS) / options.threads));
    try {
      const tunnels = this.#listen(options.ports.tunnels, this.#tunnels, (...given) => this.#tunnel(...given));
      const istiod = this.#listen(options.ports.istiod, this.#istiod, (...given) => this.#pass(...given));
      if (options.ports.services === undefined) return { tunnels, istiod };
      const services = this.#listen(options.ports.services, this.#services, (...given) => this.#pass(...given));
      return { tunnels, istiod, services };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  update(routes: GateRoutes): Promise<void> {
    this.#tunnels.replace(routes.tunnels);
    this.#istiod.replace(routes.istiod);
    this.#services.replace(routes.services ?? []);
    const all = [...routes.tunnels, ...routes.istiod, ...routes.services ?? []];
    this.#counters.keep(new Set(all.map(({ service }) => service)));
    this.#frontEnds.keep(routes.tunnels);
    return Promise.resolve();
  }

  stats(): Promise<GateStats> {
    this.#counters.connections = this.#frontEnds.connections;
    return Promise.resolve(this.#counters.stats());
  }

  async drain(limitMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, limitMs));
    const drained = Promise.all(this.#ports.map((port) => port.drain())).then(() => this.#open.settled());
    await Promise.race([late, drained]);
    clearTimeout(timer);
    await this.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.#ports.map((port) => port.close()));
    this.#open.cutAll();
    await this.#frontEnds.close();
    await this.#open.settled();
  }

  #listen<R extends TunnelRoute | PassRoute>(
    port: number,
    table: RouteTable<R>,
    serve: (conn: Deno.TcpConn, first: Uint8Array, live: LiveRoute<R>) => void,
  ): number {
    const { hostname, threads, limits } = this.#options;
    const opened = new HelloPort({
      hostname,
      port,
      shared: threads > 1,
      helloMs: limits?.helloMs,
      waiting: limits?.waiting,
      onRejected: (kind) => void this.#counters.rejected[kind]++,
      onHello: (conn, serverName, first) => {
        const live = table.find(serverName);
        if (live) return serve(conn, first, live);
        closeQuietly(conn);
        this.#counters.rejected.unknown++;
        if (this.#names.allows(serverName)) this.#calls.onUnknownName(serverName);
      },
    });
    this.#ports.push(opened);
    return opened.port;
  }

  #tunnel(conn: Deno.TcpConn, first: Uint8Array, live: LiveRoute<TunnelRoute>): void {
    const { route } = live;
    const { tunnels, idleTimeoutMs } = route.limits;
    const limits = { most: Math.ceil(tunnels / this.#options.threads), idleTimeoutMs };
    const pool = this.#frontEnds.poolFor(route.url);
    this.#serve(conn, live, limits, (mesh, watch, signal) => {
      return tunnel({ mesh, first, route, pool, tokens: this.#calls.tokens, refused: this.#refused, watch, signal });
    });
  }

  #pass(conn: Deno.TcpConn, first: Uint8Array, live: LiveRoute<PassRoute>): void {
    const limits = { most: Infinity, idleTimeoutMs: PASS_IDLE_MS };
    this.#serve(conn, live, limits, (mesh, watch, signal) => pass({ mesh, first, route: live.route, watch, signal }));
  }

  #serve<R extends TunnelRoute | PassRoute>(
    conn: Deno.TcpConn,
    live: LiveRoute<R>,
    limits: { most: number; idleTimeoutMs: number },
    carryOn: Parameters<OpenTunnels["run"]>[2],
  ): void {
    const { service } = live.route;
    const mesh = new TcpEnd(conn);
    const running = this.#open.run({ service, mesh, streams: live.streams }, limits, carryOn);
    void running.then((ended) => this.#tell(service, ended));
  }

  #tell(service: string, { result, reason }: TunnelEnded): void {
    if (reason === undefined || !this.#reasons.allows(`${service} ${result}`)) return;
    log.warn("a tunnel failed; more of its kind are counted only, for a minute", { service, result, reason });
  }
}
