/** A gate between clients of the mesh and apps in Cloud Run, with everything between them real and all of it in the test's hands. */
import assert from "node:assert/strict";
import { Secret } from "../../lib/base/secret.ts";
import type { Gate, GateEngine, GateOptions, GateRoutes, IdTokens, TunnelRoute } from "../../lib/gate/mod.ts";
import { krunTunnel, type TunnelEnd } from "../../lib/tunnel/mod.ts";
import { GateFrontEnd } from "./gate_front_end.ts";
import { clientHello } from "./gate_hello.ts";
import { App, close, writeAll } from "./tunnel_peers.ts";

/** What clients ask for. */
export const WEB = "outbound_.8080_._.web.prod.svc.cluster.local";
export const OTHER = "outbound_.8080_.v1_.other.prod.svc.cluster.local";

/** Tokens that can be told from each other: `token of AUDIENCE number N`. */
export class NumberedTokens implements IdTokens {
  readonly dropped: string[] = [];
  readonly asked: string[] = [];
  /** Set: the source has none to give. */
  failing = false;
  readonly #numbers = new Map<string, number>();
  readonly #onRenewed = new Map<string, Set<() => void>>();

  current(audience: string): string {
    return `token-of-${audience}-number-${this.#numbers.get(audience) ?? 1}`;
  }

  get(audience: string): Promise<{ value: Secret; expiresAt: number }> {
    this.asked.push(audience);
    if (this.failing) return Promise.reject(new Error("the token source is away"));
    return Promise.resolve({ value: new Secret(this.current(audience)), expiresAt: Date.now() + 3_600_000 });
  }

  drop(audience: string): void {
    this.dropped.push(audience);
    this.renew(audience);
  }

  renew(audience: string): void {
    this.#numbers.set(audience, (this.#numbers.get(audience) ?? 1) + 1);
    for (const take of this.#onRenewed.get(audience) ?? []) take();
  }

  onRenewed(audience: string, take: () => void): () => void {
    const takers = this.#onRenewed.get(audience) ?? new Set();
    this.#onRenewed.set(audience, takers.add(take));
    return () => void takers.delete(take);
  }
}

/** What a case asks of its stage. */
export interface StageOptions {
  gate?: Partial<Omit<GateOptions, "tokens" | "frontEndRoots">>;
  limits?: Partial<TunnelRoute["limits"]>;
}

/** Two services, `prod/web` and `prod/other`, behind one front end, and an istiod behind 15012. */
export class Stage implements AsyncDisposable {
  readonly tokens = new NumberedTokens();
  readonly web = new App();
  readonly other = new App();
  readonly istiod = new App();
  /** Names that the engine told of. */
  readonly unknown: string[] = [];
  gate!: Gate;
  frontEnd!: GateFrontEnd;
  #tunnelEnd!: TunnelEnd;
  readonly #limits: TunnelRoute["limits"];
  readonly #conns: Deno.Conn[] = [];

  private constructor(options: StageOptions) {
    this.#limits = { tunnels: 10_000, connectTimeoutMs: 5_000, idleTimeoutMs: 3_600_000, ...options.limits };
  }

  static async open(engine: GateEngine, options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(options);
    const routes = new Map([["15003", stage.web.port], ["other", stage.other.port], ["down", 1]]);
    stage.#tunnelEnd = await krunTunnel.serve({ port: 0, hostname: "127.0.0.1", routes, appPort: 1 });
    const frontEnd = stage.frontEnd = new GateFrontEnd(stage.#tunnelEnd.port);
    stage.gate = await engine.serve({
      ports: { tunnels: 0, istiod: 0 },
      hostname: "127.0.0.1",
      ...options.gate,
      tokens: stage.tokens,
      frontEndRoots: frontEnd.authority.certificatePem,
      onUnknownName: (name) => stage.unknown.push(name),
    });
    frontEnd.verdict = ({ path, token }) => {
      const audience = path === "/_hbone/other" ? "https://other" : "https://web";
      return token === stage.tokens.current(audience) ? "pass" : { status: 401 };
    };
    await stage.gate.update(stage.routes());
    return stage;
  }

  webRoute(changed: Partial<TunnelRoute> = {}): TunnelRoute {
    return {
      service: "prod/web",
      serverNames: [WEB, "web.prod.svc.cluster.local"],
      url: this.frontEnd.url,
      audience: "https://web",
      path: "/_hbone/15003",
      limits: this.#limits,
      ...changed,
    };
  }

  otherRoute(changed: Partial<TunnelRoute> = {}): TunnelRoute {
    return {
      ...this.webRoute(),
      service: "prod/other",
      serverNames: [OTHER],
      audience: "https://other",
      path: "/_hbone/other",
      ...changed,
    };
  }

  routes(changed: Partial<GateRoutes> = {}): GateRoutes {
    const istiod = {
      service: "istio-system/istiod",
      serverNames: ["istiod.istio-system.svc"],
      host: "127.0.0.1",
      port: this.istiod.port,
    };
    return { tunnels: [this.webRoute(), this.otherRoute()], istiod: [istiod], ...changed };
  }

  /** A client's connection that has said nothing. */
  async connect(port = this.gate.ports.tunnels, hostname = "127.0.0.1"): Promise<Deno.TcpConn> {
    const conn = await Deno.connect({ hostname, port });
    conn.setNoDelay(true);
    this.#conns.push(conn);
    return conn;
  }

  /** A client's connection that asks for `serverName`. */
  async ask(serverName = WEB, port = this.gate.ports.tunnels): Promise<Deno.TcpConn> {
    const conn = await this.connect(port);
    await writeAll(conn, clientHello({ serverName, alpn: ["istio"] }));
    return conn;
  }

  /** A tunnel with both its ends; the app has read the ClientHello, which came unchanged. */
  async tunnel(serverName = WEB, app = serverName === OTHER ? this.other : this.web): Promise<Tunnel> {
    const client = await this.ask(serverName);
    const server = await app.accept();
    await readHello(server, serverName);
    return { client, server };
  }

  /** So many tunnels, opened at the same time. */
  async tunnels(count: number): Promise<Tunnel[]> {
    const clients = await Promise.all(Array.from({ length: count }, async (_, number) => {
      const client = await this.ask();
      await writeAll(client, Uint8Array.of(number >> 8, number & 0xff));
      return client;
    }));
    const tunnels: Tunnel[] = [];
    for (let i = 0; i < count; i++) {
      const server = await this.web.accept();
      await readHello(server, WEB);
      const [high, low] = await readExactly(server, 2);
      tunnels.push({ client: clients[high! << 8 | low!]!, server });
    }
    return tunnels;
  }

  async open(service = "prod/web"): Promise<number> {
    return (await this.gate.stats()).tunnelsOpen.get(service) ?? 0;
  }

  async result(result: string, service = "prod/web"): Promise<number> {
    const results: Record<string, number> = (await this.gate.stats()).tunnelsTotal.get(service) ?? {};
    return results[result] ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#conns.forEach(close);
    await this.gate[Symbol.asyncDispose]();
    await this.frontEnd[Symbol.asyncDispose]();
    for (const app of [this.web, this.other, this.istiod]) await app[Symbol.asyncDispose]();
    await this.#tunnelEnd[Symbol.asyncDispose]();
  }
}

export interface Tunnel {
  client: Deno.TcpConn;
  server: Deno.TcpConn;
}

export async function readHello(conn: Deno.TcpConn, serverName: string): Promise<void> {
  const hello = clientHello({ serverName, alpn: ["istio"] });
  assert.deepEqual(await readExactly(conn, hello.length), hello);
}

export async function readExactly(conn: Deno.TcpConn, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const got = await conn.read(bytes.subarray(at));
    if (got === null) throw new Error(`ended after ${at} of ${count} bytes`);
    at += got;
  }
  return bytes;
}
