/** The gate: from the mesh by SNI to Cloud Run, and from outside the cluster to istiod. */
export type {
  Gate,
  GateEngine,
  GateOptions,
  GateRoutes,
  GateStats,
  IdTokens,
  PassRoute,
  TunnelResult,
  TunnelRoute,
  TunnelRouteLimits,
} from "./route.ts";
export { serveGateHttp } from "./http.ts";
export type { GateStatus, RouteProblem } from "./status.ts";
