import type { GateOptions, GateRoutes, GateStats, IdTokens } from "../route.ts";

/** What one thread serves; what functions are there in {@link GateOptions} it reaches by {@link ThreadCalls}. */
export interface ThreadOptions extends Omit<GateOptions, "tokens" | "onUnknownName" | "hostname" | "workers"> {
  hostname: string;
  /** Threads on these ports: limits are divided by it. */
  threads: number;
}

/** What a thread asks of the rest. */
export interface ThreadCalls {
  tokens: Pick<IdTokens, "get" | "drop">;
  onUnknownName(serverName: string): void;
}

/** One thread of the gate, in this process's first thread or in a worker. */
export interface GateThread {
  /** Opens the ports. @throws the runtime's error when one is taken */
  serve(options: ThreadOptions): Promise<GateOptions["ports"]>;
  update(routes: GateRoutes): Promise<void>;
  stats(): Promise<GateStats>;
  drain(limitMs: number): Promise<void>;
  /** Ends every stream. */
  close(): Promise<void>;
}
