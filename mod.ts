/**
 * What another program may embed: joining a mesh step by step. Each stage takes what the one before returned and gives back a value
 * with its own disposal.
 * @module
 */
export { discover, type Discovery, type Outside } from "./lib/cluster/mod.ts";
export { type Layer, resolve, type Settings } from "./lib/settings/mod.ts";
export { type ControlPlane, controlPlaneOf, rootsOf } from "./lib/mesh/mod.ts";
export { keepIdentity, type Paths, pathsBelow } from "./lib/identity/mod.ts";
export { noProxy, type RunningProxy, startPlainProxy, startSidecar } from "./lib/proxy/mod.ts";
export { krunTunnel, type TunnelEnd, type TunnelEngine, type TunnelOptions, tunnelRoutes } from "./lib/tunnel/mod.ts";
export { type App, appEnvironment, startApp, waitForApp } from "./lib/app/mod.ts";
export { Problem, UsageError } from "./lib/base/errors.ts";
export { VERSION } from "./lib/base/version.ts";
/** Registering services, and the administrator's plans. */
export { type Registration, registrationObjects } from "./lib/registration/mod.ts";
export { type Change, type Check, type Goal, type Outcome, type Plan, runPlan, type Witness } from "./lib/admin/mod.ts";
