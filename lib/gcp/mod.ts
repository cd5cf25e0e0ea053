/** The Google APIs that krun asks: who this instance is, for a token, for clusters and labels. */
export { findCredentials, gcloudDirectory, type GoogleCredentials } from "./credentials.ts";
export { getCluster, type GkeCluster, listClusters } from "./gke.ts";
export { type IdToken, type IdTokenSource } from "./id_token.ts";
export { type AccessToken, MetadataServer } from "./metadata.ts";
export { projectLabels } from "./projects.ts";
export { cloudRun, type CloudRunApi, type RunOptions, type RunService } from "./run.ts";
