import type { Secret } from "../base/secret.ts";

/** A registered service: mTLS streams that name it are carried to Cloud Run. */
export interface TunnelRoute {
  /** `namespace/name` of the registration; the label of its metrics. */
  service: string;
  /**
   * What a ClientHello may ask for to get here, lower case and exact: `outbound_.8080_._.web.prod.svc.cluster.local`, with subsets
   * `outbound_.8080_.v1_.web.…`, and plain host names.
   */
  serverNames: readonly string[];
  /** `https://host[:port]` of the Cloud Run service; its host is the `:authority` and the name its certificate must have. */
  url: string;
  /** Of the ID token: the service's URL or one of its custom audiences. */
  audience: string;
  /** Of the request, e.g. `/_hbone/15003`. */
  path: string;
  limits: TunnelRouteLimits;
}

export interface TunnelRouteLimits {
  /** Tunnels of this service at once; more are closed and counted. Of several threads each has its share. @default {10000} */
  tunnels: number;
  /** TCP and TLS to the front end. @default {5000} */
  connectTimeoutMs: number;
  /** A tunnel without a byte in either direction for this long is reset. @default {3600000} */
  idleTimeoutMs: number;
}

/** TLS that is passed through untouched to an address in the cluster: istiod on 15012, services that allow it on 15443. */
export interface PassRoute {
  /** `namespace/name`; the label of its metrics. */
  service: string;
  /** As in {@link TunnelRoute}. */
  serverNames: readonly string[];
  host: string;
  port: number;
}

/** The ports of the gate, each with routes of one kind. */
export interface GateRoutes {
  /** 15442 */
  tunnels: readonly TunnelRoute[];
  /** 15012 */
  istiod: readonly PassRoute[];
  /** 15443; no such port is opened where this is missing. */
  services?: readonly PassRoute[];
}

/** ID tokens by audience; the engines' only way to one. */
export interface IdTokens {
  /** A token that is valid now, from the cache where it can be. @throws {Problem} the source fails and nothing valid is at hand */
  get(audience: string): Promise<{ value: Secret; expiresAt: number }>;
  /** The front end refused this one (401): the next `get` asks anew. */
  drop(audience: string): void;
  /** Called when an audience's token has been replaced ahead of its end. @returns stops it */
  onRenewed(audience: string, take: () => void): () => void;
}

/** How a stream through the gate ended. */
export type TunnelResult =
  | "ok" // both sides ended, one reset it, or its route went
  | "refused" // over a limit
  | "unreachable" // no connection to the front end or to the address in the cluster
  | "unauthorized" // 401 or 403 of the front end, after one try with a fresh token; or no token is to be had
  | "failed" // any other answer than 200, or cut by the front end
  | "idle"; // nothing was said for too long

/** Counters since the start, summed over threads; `service` as in the routes. */
export interface GateStats {
  tunnelsOpen: ReadonlyMap<string, number>;
  /** `service` → result → streams that ended. */
  tunnelsTotal: ReadonlyMap<string, Readonly<Partial<Record<TunnelResult, number>>>>;
  /** `service` → bytes from the mesh to Cloud Run (or into the cluster), and back. */
  bytes: ReadonlyMap<string, { in: number; out: number }>;
  /** Streams closed before they had a route: `unknown` name, `none` (TLS without SNI), `malformed` (not TLS, oversized, cut), `slow`. */
  rejected: Readonly<Record<"unknown" | "none" | "malformed" | "slow", number>>;
  /** HTTP/2 connections to front ends. */
  connections: number;
}

/** A running data plane; disposing it ends every stream at once. */
export interface Gate extends AsyncDisposable {
  /** Where each kind of route is served; a port of 0 was replaced by the one taken. */
  readonly ports: { tunnels: number; istiod: number; services?: number };
  /** Rejects with a `Problem` when the data plane is lost. Never resolves before it is disposed of. */
  readonly ended: Promise<void>;
  /**
   * Replaces the routes. A route stays when one of the same kind, `service` and target (URL and path, or host and port) is there
   * afterwards: its streams are left alone, whatever else changed, and new ones go by what is said now. Streams of a route that went
   * are reset. Where two routes of a kind have a name in common, the first has it. Resolves when new streams go by the new routes.
   * @throws {Problem} a URL or path that cannot be used; nothing was changed then
   */
  update(routes: GateRoutes): Promise<void>;
  stats(): Promise<GateStats>;
  /** Accepts nothing new, waits for open streams, and ends what is left after `limitMs`. */
  drain(limitMs: number): Promise<void>;
}

export interface GateOptions {
  /** 0 takes a free one. @default {15442, 15012, and 15443 where asked for} */
  ports: { tunnels: number; istiod: number; services?: number };
  /** Address to listen on. @default {"::" (both families) where IPv6 is there, else "0.0.0.0"} */
  hostname?: string;
  tokens: IdTokens;
  /** PEM that front ends' certificates are verified with, beside the system's roots; for tests and private front ends. */
  frontEndRoots?: string;
  /** Streams at once in all; more are closed and counted. Of several threads each has its share. @default {50000} */
  maxTunnels?: number;
  /** Threads that accept. @default {1} */
  workers?: number;
  /** Told once per name and minute. */
  onUnknownName?: (serverName: string) => void;
  limits?: GateLimits;
  /**
   * Takes routes with `http://` URLs as HTTP/2 with prior knowledge, ID token and all in the clear: for measurements on the loopback.
   * @default {false}
   */
  allowCleartext?: boolean;
}

/** Limits that hold whatever the route; tests shorten them. */
export interface GateLimits {
  /** From accept to the end of the ClientHello. @default {5000} */
  helloMs?: number;
  /** Connections at once, a thread, whose ClientHello is not complete; for a further one the longest waiting is closed. @default {1000} */
  waiting?: number;
  /** An HTTP/2 connection to a front end without a tunnel is closed after this long. @default {300000} */
  idleConnectionMs?: number;
  /** A front end with tunnels on a connection is asked (PING) as often for a sign of life, and taken for gone without one as long after. @default {30000} */
  keepAliveMs?: number;
}

/** A way to be the gate. */
export interface GateEngine {
  readonly name: "embedded" | "envoy";
  /** Resolves when the ports are open, with no routes yet. @throws `Problem` when they cannot be. */
  serve(options: GateOptions): Promise<Gate>;
}
