import type { MeshEnvWatch } from "../lib/cluster/mod.ts";
import { serveHealth, type Status } from "../lib/health/mod.ts";
import type { RunningProxy } from "../lib/proxy/mod.ts";
import type { TunnelEnd } from "../lib/tunnel/mod.ts";
import type { Mesh } from "./krun_stages.ts";
import type { Signals } from "./signals.ts";
import type { Stopwatch } from "./stopwatch.ts";

/** What runs, as far as it does. */
export interface Running {
  mesh: Mesh | undefined;
  meshEnv: MeshEnvWatch | undefined;
  proxy: RunningProxy;
  /** Missing until 15009 is served, and where krun does not serve it. */
  tunnel?: TunnelEnd | undefined;
  /** Requests on the tunnel's port are answered, by whoever serves it. */
  isOpen: boolean;
}

/** `/healthz` and `/metrics` from here to the end; nothing on port 0. */
export function tellOfIt(
  port: number,
  { running, watch, signals }: { running: Running; watch: Stopwatch; signals: Signals },
): AsyncDisposable | undefined {
  if (port === 0) return undefined;
  const status = async (): Promise<Status> => ({
    notReady: reasonNotReady(signals.first.aborted, running),
    startMs: watch.laps(),
    proxyUp: running.proxy.health.up,
    proxyRestarts: running.proxy.health.restarts,
    tokenExpiresAt: running.mesh?.tokenExpiresAt(),
    meshEnvReadAt: running.meshEnv?.readAt(),
    tunnels: await running.tunnel?.stats().catch(() => undefined),
  });
  return serveHealth({ port, status, quit: () => signals.quit() });
}

/** What `/healthz/ready` says is missing. */
function reasonNotReady(isEnding: boolean, { isOpen, proxy }: Running): string | undefined {
  if (isEnding) return "krun is ending";
  if (!isOpen) return "the app is not ready";
  return proxy.health.up ? undefined : "the proxy is down";
}
