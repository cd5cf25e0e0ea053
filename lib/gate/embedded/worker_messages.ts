import type { GateOptions, GateRoutes, GateStats } from "../route.ts";
import type { ThreadOptions } from "./thread.ts";

/** What the main thread asks of a worker; the worker answers each with one `reply`. */
export type ThreadRequest =
  | { kind: "serve"; options: ThreadOptions }
  | { kind: "update"; routes: GateRoutes }
  | { kind: "stats" }
  | { kind: "drain"; limitMs: number }
  | { kind: "close" };

/** To a worker. */
export type ToWorker = (ThreadRequest & { id: number }) | TokenReply;

/** The answer to a worker's `token`. Plain text: a `Secret` does not survive the way to another thread. */
export interface TokenReply {
  kind: "token";
  id: number;
  token?: { value: string; expiresAt: number };
  failure?: string;
}

/** From a worker. */
export type FromWorker =
  | { kind: "reply"; id: number; ports?: GateOptions["ports"]; stats?: GateStats; failure?: string }
  | { kind: "token"; id: number; audience: string }
  | { kind: "drop"; audience: string }
  | { kind: "unknown name"; serverName: string };
