/** The app: its environment, its process, and when it is ready. */
export { appEnvironment } from "./environment.ts";
export { requireApart, requireFree } from "./listener.ts";
export { reapOrphans } from "./orphans.ts";
export { describeProbe, type Probe, probeOf, waitForApp } from "./probe.ts";
export { type App, startApp } from "./start.ts";
