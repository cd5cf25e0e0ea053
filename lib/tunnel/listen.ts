import { Problem, reasonOf } from "../base/errors.ts";
import { closeQuietly } from "../http2/mod.ts";

/** A port that is open and that nobody serves yet: the kernel accepts, and what comes waits until it is served. */
export interface OpenPort extends Disposable {
  readonly port: number;
  readonly hostname: string;
  /** The listener; disposing no longer closes it. */
  take(): Deno.TcpListener;
}

export interface ListenOptions {
  /** 0 takes a free one. */
  port: number;
  /** @default {"::" (both families) where IPv6 is there, else "0.0.0.0"} */
  hostname?: string | undefined;
  /** SO_REUSEPORT: other threads will listen on the same port. */
  shared: boolean;
}

/** @throws {Problem} the port is taken */
export function openPort({ port, hostname, shared }: ListenOptions): OpenPort {
  const listen = (hostname: string): OpenPort => {
    const listener = Deno.listen({ hostname, port, reusePort: shared });
    let taken = false;
    return {
      port: (listener.addr as Deno.NetAddr).port,
      hostname,
      take() {
        taken = true;
        return listener;
      },
      [Symbol.dispose]: () => taken ? undefined : closeQuietly(listener),
    };
  };
  try {
    if (hostname) return listen(hostname);
    try {
      return listen("::");
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) throw error;
      return listen("0.0.0.0");
    }
  } catch (error) {
    const fix = "free the port, or choose another";
    throw new Problem({ tried: `serve tunnels on port ${port}`, got: reasonOf(error), fix, cause: error });
  }
}
