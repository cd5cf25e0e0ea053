/** The proxy beside the app: Envoy by pilot-agent, a plain forward proxy, or none. */
export type { RunningProxy } from "./engine.ts";
export { grpcBootstrap, PORTS } from "./agent_environment.ts";
export { keepRunning, type KeepRunningOptions } from "./keep_running.ts";
export { noProxy, startPlainProxy } from "./plain.ts";
export { type SidecarOptions, startSidecar } from "./sidecar.ts";
export { whiteboxAppEnvironment } from "./whitebox/mod.ts";
