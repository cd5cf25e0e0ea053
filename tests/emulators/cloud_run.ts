/**
 * The Cloud Run Admin API, run.googleapis.com: get and list services, their IAM policies.
 *
 * Wire facts: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
 */
import type { AccessTokens } from "./access_tokens.ts";
import { policyMethods, ServicePolicies } from "./cloud_run_policy.ts";
import { type GoogleApi, googleError, startGoogleApi } from "./google_api.ts";
import { type EmulatedAnswer, jsonAnswer } from "./http_server.ts";

/** A service as the API gives it; durations are texts such as `300s`, 64-bit numbers too. */
export interface RunServiceResource {
  /** `projects/P/locations/R/services/S` */
  name: string;
  uri?: string;
  urls?: string[];
  ingress?: string;
  customAudiences?: string[];
  invokerIamDisabled?: boolean;
  template?: {
    timeout?: string;
    maxInstanceRequestConcurrency?: number;
    serviceAccount?: string;
    containers?: { image?: string; ports?: { name?: string; containerPort?: number }[] }[];
  };
  terminalCondition?: { type: string; state: string; reason?: string; message?: string };
  [field: string]: unknown;
}

/** What the API answers; may be changed while it runs. */
export interface CloudRunState {
  projectId: string;
  /** Regions there are; a service's is in its name. */
  regions: string[];
  services: RunServiceResource[];
  /** Services a page. @default 100 */
  pageSize: number;
}

export interface CloudRunEmulator extends GoogleApi {
  state: CloudRunState;
  policies: ServicePolicies;
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
  options: { accessTokens: AccessTokens } & Partial<CloudRunState>,
): Promise<CloudRunEmulator> {
  const { accessTokens, ...given } = options;
  const state: CloudRunState = {
    projectId: "demo-project",
    regions: ["us-central1"],
    services: [],
    pageSize: 100,
    ...given,
  };
  const policies = new ServicePolicies();
  const api = await startGoogleApi(accessTokens, [
    ...policyMethods(policies, (name) => state.services.some((service) => service.name === name)),
    {
      method: "GET",
      path: /^\/v2\/projects\/([^/]+)\/locations\/([^/]+)\/services\/([^/:]+)$/,
      permission: "run.services.get",
      handle: ([project = "", region = "", service = ""]) => {
        const name = `projects/${project}/locations/${region}/services/${service}`;
        const refusal = refused(state, project, region, "get", name);
        if (refusal) return refusal;
        const found = state.services.find((candidate) => candidate.name === name);
        return found ? jsonAnswer(200, found) : googleError(
          404,
          `Resource '${service}' of kind 'SERVICE' in region '${region}' in project '${project}' does not exist.`,
        );
      },
    },
    {
      method: "GET",
      path: /^\/v2\/projects\/([^/]+)\/locations\/([^/]+)\/services$/,
      permission: "run.services.list",
      handle: ([project = "", region = ""], request) => {
        const parent = `projects/${project}/locations/${region}`;
        const refusal = refused(state, project, region, "list", parent);
        if (refusal) return refusal;
        const all = state.services.filter(({ name }) => name.startsWith(`${parent}/services/`));
        const from = Number(request.url.searchParams.get("pageToken") ?? 0);
        if (!Number.isInteger(from) || from < 0) return googleError(400, "Invalid page token.");
        const services = all.slice(from, from + state.pageSize);
        const end = from + services.length;
        return jsonAnswer(200, {
          ...(services.length > 0 ? { services } : {}),
          ...(end < all.length ? { nextPageToken: String(end) } : {}),
        });
      },
    },
  ]);
  return { ...api, state, policies };
}

function refused(
  state: CloudRunState,
  project: string,
  region: string,
  verb: "get" | "list",
  resource: string,
): EmulatedAnswer | undefined {
  if (project !== state.projectId) {
    return googleError(
      403,
      `Permission 'run.services.${verb}' denied on resource '${resource}' (or resource may not exist).`,
    );
  }
  if (!state.regions.includes(region)) {
    return googleError(404, `Location ${region} is not found or access is unauthorized.`);
  }
}
