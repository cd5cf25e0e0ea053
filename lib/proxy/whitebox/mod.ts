/** Whitebox mode: an HTTP proxy in the sidecar's Envoy that honours the mesh's routes without iptables. See docs/whitebox.md. */
export { whiteboxAppEnvironment } from "./app_environment.ts";
export { type EnvoyAdmin, envoyAdmin } from "./admin.ts";
export { type BootstrapPart, whiteboxBootstrap, type WhiteboxOptions } from "./bootstrap.ts";
export { parseExtraPorts } from "./extra_ports.ts";
export { type Forward, parseForwards } from "./forward.ts";
export { learnPorts, type MeshPorts, type ServiceKind } from "./learn.ts";
export { DEFAULT_PROXY_PORT } from "./names.ts";
export { type WatchOptions, watchWhitebox, type WhiteboxWatch } from "./watch.ts";
export { type FileOptions, writeInitialFiles } from "./whitebox_files.ts";
