/** Who the workload is, as files that pilot-agent and gRPC read. */
export { keepIdentity } from "./keep_identity.ts";
export type { KeptToken } from "./keep_token.ts";
export { type Paths, pathsBelow, PROXY_USER } from "./paths.ts";
