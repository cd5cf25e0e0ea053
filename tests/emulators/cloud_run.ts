/**
 * The Cloud Run Admin API, run.googleapis.com: services with their revisions and operations, their IAM policies. What is deployed runs
 * where a test says by whom.
 *
 * Wire facts: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
 */
import { type AccessTokens, bearerToken } from "./access_tokens.ts";
import { type FrontEndServices, Instances, type RevisionRunner } from "./cloud_run_instances.ts";
import { runMethods } from "./cloud_run_methods.ts";
import { policyMethods, ServicePolicies } from "./cloud_run_policy.ts";
import { legacyUri, RunStore, type RunStoreState } from "./cloud_run_store.ts";
import type { RunServiceResource } from "./cloud_run_types.ts";
import { type GoogleApi, startGoogleApi } from "./google_api.ts";

export type { RevisionRunner, RunningRevision } from "./cloud_run_instances.ts";
export type { RunRevisionResource, RunServiceResource } from "./cloud_run_types.ts";

/** What the API answers; may be changed while it runs. */
export interface CloudRunState extends RunStoreState {
  projectId: string;
  /** Regions there are; a service's is in its name. */
  regions: string[];
  /** Services a page. @default 100 */
  pageSize: number;
}

export interface CloudRunEmulator extends GoogleApi {
  state: CloudRunState;
  policies: ServicePolicies;
  /**
   * Makes or changes a service as another editor would, and waits until it is done.
   * @param name `projects/P/locations/R/services/S`  @param fields those that are given are replaced
   */
  edit(name: string, fields: Partial<RunServiceResource>): Promise<RunServiceResource>;
  /** The same at once, of what makes no revision: labels, annotations. */
  touch(name: string, change: (service: RunServiceResource) => void): void;
}

/** A service that serves, with both forms of its URL, as Cloud Run makes it from `gcloud run deploy --use-http2`. */
export function runService(
  given: {
    project: string;
    projectNumber: string;
    region: string;
    service: string;
    fields?: Partial<RunServiceResource>;
  },
): RunServiceResource {
  const { project, projectNumber, region, service } = given;
  const uri = `https://${service}-abcdefghij-uc.a.run.app`;
  return {
    name: `projects/${project}/locations/${region}/services/${service}`,
    uid: "7c5f4f9e-0000-4000-8000-000000000000",
    generation: "1",
    ingress: "INGRESS_TRAFFIC_ALL",
    uri,
    urls: [`https://${service}-${projectNumber}.${region}.run.app`, uri],
    template: {
      timeout: "300s",
      maxInstanceRequestConcurrency: 80,
      serviceAccount: `k8s-demo@${project}.iam.gserviceaccount.com`,
      containers: [{ image: "app", ports: [{ name: "h2c", containerPort: 15009 }] }],
    },
    terminalCondition: { type: "Ready", state: "CONDITION_SUCCEEDED" },
    ...given.fields,
  };
}

/** Starts the API on a free port. */
export async function startCloudRun(
  options: {
    accessTokens: AccessTokens;
    /** Starts what is deployed. @default nothing runs, and every revision gets ready */
    runner?: RevisionRunner;
    /** Services of a front end, kept as the traffic of all services says. */
    frontEnd?: FrontEndServices;
  } & Partial<CloudRunState>,
): Promise<CloudRunEmulator> {
  const { accessTokens, runner, frontEnd, ...given } = options;
  const state: CloudRunState = {
    projectId: "demo-project",
    projectNumber: "1234567890",
    regions: ["us-central1"],
    services: [],
    revisions: [],
    pageSize: 100,
    pollsUntilDone: 2,
    uriOf: legacyUri,
    fails: () => undefined,
    ...given,
  };
  const policies = new ServicePolicies();
  const instances = new Instances(runner, frontEnd, policies);
  const store = new RunStore(state, instances);
  const api: GoogleApi = await startGoogleApi(accessTokens, [
    ...policyMethods(policies, (name) => state.services.some((service) => service.name === name)),
    ...runMethods({
      store,
      projectId: state.projectId,
      regions: () => state.regions,
      pageSize: () => state.pageSize,
      isDenied: (permission) => api.deniedPermissions.has(permission),
      userOf: ({ headers }) => accessTokens.ownerOf(bearerToken(headers.authorization) ?? "") ?? "",
    }),
  ]);
  return {
    ...api,
    state,
    policies,
    touch: (name, change) => store.touch(name, change),
    async edit(name, fields) {
      const service = store.find(name);
      const operation = store.write(
        store.merged(service, name, { ...fields, name }, Object.keys(fields)),
        "other@example.com",
      );
      for (; !operation.isDone; operation.look()) await operation.work;
      return store.find(name)!;
    },
    async [Symbol.asyncDispose]() {
      await instances[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}
