/** Who the workload is, as files that pilot-agent and gRPC read. */
export { type Identity, keepIdentity } from "./keep_identity.ts";
export { type Paths, pathsBelow, PROXY_USER } from "./paths.ts";
