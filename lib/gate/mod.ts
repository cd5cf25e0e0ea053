/** The gate: from the mesh by SNI to Cloud Run, and from outside the cluster to istiod. */
export type {
  Gate,
  GateEngine,
  GateLimits,
  GateOptions,
  GateRoutes,
  GateStats,
  IdTokens,
  PassRoute,
  TunnelResult,
  TunnelRoute,
  TunnelRouteLimits,
} from "./route.ts";
export { embeddedGate } from "./embedded/engine.ts";
export { type BootstrapOptions, gateEnvoyBootstrap } from "./envoy/bootstrap.ts";
export { drainEnvoy } from "./envoy/drain.ts";
export { envoyGate, envoyGateBeside, type MeetingPlace } from "./envoy/engine.ts";
export { serveGateHttp } from "./http.ts";
export type { GateStatus, RouteProblem } from "./status.ts";
export {
  type CloudRun,
  type CloudRunService,
  type Controller,
  type ControllerOptions,
  type MeshFacts,
  readMeshFacts,
  roles,
  RULES,
  startController,
} from "./controller/mod.ts";
export { GateTokens, type GateTokensOptions, type TokenStats } from "./tokens.ts";
