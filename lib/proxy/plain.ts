import { logger } from "../base/log.ts";
import type { RunningProxy } from "./engine.ts";
import { startForwardProxy } from "./forward_proxy.ts";
import { whiteboxAppEnvironment } from "./whitebox/mod.ts";

/** A forward proxy without mesh features in Envoy's place; tunnels go straight to the app. */
export async function startPlainProxy(
  options: { appPort: number; environment: Readonly<Record<string, string>>; port: number },
): Promise<RunningProxy> {
  const proxy = await startForwardProxy({ port: options.port });
  logger("krun", "proxy").warn("plain forward proxy: no mTLS, no routes of the mesh, no policies (--proxy=plain)");
  return {
    name: "plain forward proxy",
    appEnvironment: () => Promise.resolve(whiteboxAppEnvironment(options.environment, proxy.port)),
    inboundPort: options.appPort,
    pids: [],
    ended: new Promise(() => {}),
    drain: () => Promise.resolve(),
    health: { up: true, restarts: 0 },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

/** No proxy at all: the app is on its own, tunnels go straight to it. */
export function noProxy(appPort: number): RunningProxy {
  return {
    name: "none",
    appEnvironment: () => Promise.resolve({}),
    inboundPort: appPort,
    pids: [],
    ended: new Promise(() => {}),
    drain: () => Promise.resolve(),
    health: { up: true, restarts: 0 },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
