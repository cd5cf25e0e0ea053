/** The tunnel's end on 15009: HTTP/2 requests `POST /_hbone/<port or name>` become TCP connections of the loopback. */
export type { BegunThreads, TunnelEnd, TunnelEngine, TunnelLimits, TunnelOptions, TunnelStats } from "./engine.ts";
export { beginThreads, krunTunnel } from "./krun.ts";
export { type OpenPort, openPort } from "./listen.ts";
export { type EnvoyResources, envoyTunnelOverride } from "./envoy.ts";
export { envoyTunnel } from "./envoy_engine.ts";
export { envoyKeepsTunnelEnds } from "./envoy_versions.ts";
export { OPENED_BY_POST } from "./route.ts";
export { tunnelRoutes } from "./routes.ts";
