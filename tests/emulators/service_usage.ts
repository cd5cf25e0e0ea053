/**
 * The Service Usage API, serviceusage.googleapis.com: which APIs a project has switched on.
 *
 * Wire facts: https://cloud.google.com/service-usage/docs/reference/rest/v1/services
 */
import type { AccessTokens } from "./access_tokens.ts";
import { type GoogleApi, googleError, startGoogleApi } from "./google_api.ts";
import { type EmulatedAnswer, type EmulatedRequest, jsonAnswer } from "./http_server.ts";

/** What the API answers; may be changed while it runs. */
export interface ServiceUsageState {
  projectId: string;
  projectNumber: string;
  /** Names as `run.googleapis.com`; all others are DISABLED. */
  enabled: Set<string>;
}

export interface ServiceUsageEmulator extends GoogleApi {
  state: ServiceUsageState;
}

/** One batch may ask for so many. */
const MOST_NAMES = 30;

/** Starts the API on a free port. */
export async function startServiceUsage(
  options: { accessTokens: AccessTokens } & Partial<ServiceUsageState>,
): Promise<ServiceUsageEmulator> {
  const { accessTokens, ...given } = options;
  const state: ServiceUsageState = {
    projectId: "demo-project",
    projectNumber: "1234567890",
    enabled: new Set(),
    ...given,
  };
  const isOurs = (project: string) => project === state.projectId || project === state.projectNumber;
  const service = (api: string) => ({
    name: `projects/${state.projectNumber}/services/${api}`,
    parent: `projects/${state.projectNumber}`,
    config: { name: api },
    state: state.enabled.has(api) ? "ENABLED" : "DISABLED",
  });
  const done = (apis: readonly string[]) => {
    for (const api of apis) state.enabled.add(api);
    const type = "type.googleapis.com/google.api.serviceusage.v1.BatchEnableServicesResponse";
    const response = { "@type": type, services: apis.map(service) };
    return jsonAnswer(200, { name: "operations/acat.p2-0-0", done: true, response });
  };
  const path = (end: string) => new RegExp(`^/v1/projects/([^/]+)/services${end}$`);
  const api = await startGoogleApi(accessTokens, [
    {
      method: "GET",
      path: path("/([^/:]+)"),
      permission: "serviceusage.services.get",
      handle: ([project = "", name = ""]) => isOurs(project) ? jsonAnswer(200, service(name)) : foreign("get", project),
    },
    {
      method: "GET",
      path: path(":batchGet"),
      permission: "serviceusage.services.get",
      handle([project = ""], { url }) {
        if (!isOurs(project)) return foreign("get", project);
        const names = url.searchParams.getAll("names");
        if (names.length > MOST_NAMES) return googleError(400, `At most ${MOST_NAMES} names can be batched.`);
        const apis = names.map((name) => /^projects\/([^/]+)\/services\/([^/]+)$/.exec(name));
        if (names.length === 0 || apis.some((match) => match?.[1] !== project)) {
          return googleError(400, "The names must have the parent of the request.");
        }
        return jsonAnswer(200, { services: apis.map((match) => service(match![2]!)) });
      },
    },
    {
      method: "GET",
      path: path(""),
      permission: "serviceusage.services.list",
      handle([project = ""], { url }) {
        if (!isOurs(project)) return foreign("list", project);
        const filter = url.searchParams.get("filter") ?? "";
        if (!/^(?:state:(?:ENABLED|DISABLED))?$/.test(filter)) return googleError(400, `Invalid filter: ${filter}`);
        return jsonAnswer(200, filter === "state:DISABLED" ? {} : { services: [...state.enabled].sort().map(service) });
      },
    },
    {
      method: "POST",
      path: path("/([^/:]+):enable"),
      permission: "serviceusage.services.enable",
      handle: ([project = "", name = ""]) => isOurs(project) ? done([name]) : foreign("enable", project),
    },
    {
      method: "POST",
      path: path(":batchEnable"),
      permission: "serviceusage.services.enable",
      handle([project = ""], request) {
        if (!isOurs(project)) return foreign("enable", project);
        const ids = idsOf(request);
        return ids ? done(ids) : googleError(400, "The service_ids are required.");
      },
    },
  ]);
  return { ...api, state };
}

function idsOf({ body }: EmulatedRequest): string[] | undefined {
  try {
    const { serviceIds } = JSON.parse(new TextDecoder().decode(body)) as { serviceIds?: unknown };
    return Array.isArray(serviceIds) && serviceIds.length > 0 ? serviceIds.map(String) : undefined;
  } catch {
    return undefined;
  }
}

function foreign(verb: string, project: string): EmulatedAnswer {
  return googleError(
    403,
    `Permission denied to ${verb} service for project ${project} (serviceusage.services.${verb}), or it may not exist.`,
  );
}
