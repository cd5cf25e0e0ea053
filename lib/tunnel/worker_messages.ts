import type { TunnelStats } from "./engine.ts";
import type { ServerOptions } from "./server.ts";

/** To a worker. Every message is answered by one reply with its `id`. */
export type WorkerRequest =
  & { id: number }
  & ({ kind: "serve"; options: ServerOptions } | { kind: "stats" } | { kind: "drain"; limitMs: number } | {
    kind: "close";
  });

/** From a worker: what was asked for, or why it cannot be. */
export interface WorkerReply {
  id: number;
  stats?: TunnelStats;
  failure?: string;
}
