/**
 * The Resource Manager API, cloudresourcemanager.googleapis.com: get a project, for its labels.
 *
 * Wire facts: https://cloud.google.com/resource-manager/reference/rest/v3/projects
 */
import type { AccessTokens } from "./access_tokens.ts";
import { type GoogleApi, googleError, startGoogleApi } from "./google_api.ts";
import { jsonAnswer } from "./http_server.ts";

/** A project as the API gives it. */
export interface Project {
  /** `projects/NUMBER` */
  name: string;
  projectId: string;
  displayName?: string;
  state: "ACTIVE" | "DELETE_REQUESTED";
  labels?: Record<string, string>;
  parent?: string;
  etag?: string;
}

/** What the API answers; may be changed while it runs. */
export interface ResourceManagerState {
  projects: Project[];
}

export interface ResourceManagerEmulator extends GoogleApi {
  state: ResourceManagerState;
}

/** Starts the API on a free port. */
export async function startResourceManager(
  options: { accessTokens: AccessTokens; projects?: Project[] },
): Promise<ResourceManagerEmulator> {
  const state: ResourceManagerState = { projects: options.projects ?? [] };
  const api = await startGoogleApi(options.accessTokens, [{
    method: "GET",
    path: /^\/v3\/projects\/([^/:]+)$/,
    permission: "resourcemanager.projects.get",
    handle: ([wanted = ""]) => {
      const project = state.projects.find(({ projectId, name }) =>
        projectId === wanted || name === `projects/${wanted}`
      );
      if (project) return jsonAnswer(200, project);
      // The same words for a project that is not there and one the caller may not see.
      const message =
        `The caller does not have permission to access projects instance [${wanted}], or it may not exist`;
      return googleError(403, message);
    },
  }]);
  return { ...api, state };
}
