/** What krun says of itself on the loopback. */
export { metricsText, type Status } from "./metrics.ts";
export { type HealthOptions, serveHealth } from "./server.ts";
