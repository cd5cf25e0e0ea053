/** The Google APIs that krun asks: who this instance is, for a token, for clusters and labels. */
export { findCredentials, gcloudDirectory, type GoogleCredentials } from "./credentials.ts";
export { type GcloudConfig, readGcloudConfig } from "./gcloud_config.ts";
export { grant } from "./grant.ts";
export { getCluster, type GkeCluster, listClusters } from "./gke.ts";
export { type IdToken, type IdTokenSource } from "./id_token.ts";
export { MetadataServer } from "./metadata.ts";
export { editPolicy, hasMember, Policy, POLICY_VERSION, type PolicyStore, withoutMember } from "./policy.ts";
export { projectPolicy } from "./project_policy.ts";
export { projectLabels, projectNumber } from "./projects.ts";
export { googleCall, type GoogleRest, pathOf } from "./rest.ts";
export { cloudRun, type RunOptions, type RunService } from "./run.ts";
export { RUN_INVOKER, runServicePolicy } from "./run_policy.ts";
export type { RunWait } from "./run_operation.ts";
export {
  type RunCondition,
  type RunContainer,
  type RunEnvVar,
  type RunProbe,
  type RunResource,
  type RunRevision,
  type RunTemplate,
  type RunTraffic,
  shortName,
  TRAFFIC_LATEST,
  TRAFFIC_REVISION,
} from "./run_resource.ts";
export { type RunFields, type RunPlace, type RunServiceStore, runServiceStore } from "./run_services.ts";
export {
  accountEmail,
  isAccountId,
  type ServiceAccount,
  type ServiceAccounts,
  serviceAccounts,
} from "./service_accounts.ts";
export { enabledApis } from "./service_usage.ts";
