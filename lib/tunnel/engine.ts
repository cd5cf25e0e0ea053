import type { OpenPort } from "./listen.ts";
import type { WorkerThread } from "./worker_thread.ts";

/** Where tunnels may lead and what is not a tunnel. */
export interface TunnelOptions {
  /** Port to listen on; 0 takes a free one. @default {15009} */
  port?: number;
  /** Address to listen on. @default {"::" (both families) where IPv6 is there, else "0.0.0.0"} */
  hostname?: string;
  /** One that was opened before, in place of `port` and `hostname`; `shared` where there is more than one thread. */
  open?: OpenPort | undefined;
  /** Last segment of `/_hbone/<x>` → port on 127.0.0.1, e.g. `15003 → 15003`, `http → 8080`. Nothing else can be reached. */
  routes: ReadonlyMap<string, number>;
  /** Every request that is no tunnel goes to the app on this port of 127.0.0.1, as HTTP/1.1 or h2c. */
  appPort: number;
  /** Threads that accept connections. @default {1} */
  workers?: number;
  /** Threads that were begun before, in place of `workers`. */
  threads?: BegunThreads;
  /** What a peer may take; for tests. */
  limits?: TunnelLimits;
}

/** Threads on their way; disposing ends those that were not taken. */
export interface BegunThreads extends Disposable {
  take(): WorkerThread[];
}

/** Limits against peers that take and do not give. */
export interface TunnelLimits {
  /** Connections at once, a thread; a front end needs one for every 100 tunnels. More are closed at once. @default {1000} */
  connections?: number;
  /** From accept to the first request's head; an established connection may then idle for hours. @default {10000} */
  firstRequestMs?: number;
  /** From the first to the last frame of a header block. @default {10000} */
  headerBlockMs?: number;
}

/** Counters since start, summed over all threads. */
export interface TunnelStats {
  tunnelsOpen: number;
  tunnelsTotal: number;
  bytesIn: number;
  bytesOut: number;
}

/** A running tunnel end; disposing it ends every tunnel at once. */
export interface TunnelEnd extends AsyncDisposable {
  readonly port: number;
  /** Resolves once the end was disposed of; rejects with a `Problem` when a thread of it died, and then nothing is served any more. */
  readonly ended: Promise<void>;
  stats(): Promise<TunnelStats>;
  /** Accepts nothing new, tells every peer (GOAWAY), waits for open tunnels to end, and ends what is left after `limitMs`. */
  drain(limitMs: number): Promise<void>;
}

/** A way to serve the port. */
export interface TunnelEngine {
  readonly name: "krun" | "envoy";
  /** Resolves when the port is open. @throws `Problem` when it cannot be. */
  serve(options: TunnelOptions): Promise<TunnelEnd>;
}
