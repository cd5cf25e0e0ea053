/**
 * The Resource Manager API, cloudresourcemanager.googleapis.com: get a project; its IAM policy. In v3, and in v1, which gcloud speaks.
 *
 * Wire facts: https://cloud.google.com/resource-manager/reference/rest/v3/projects and …/v1/projects
 */
import type { AccessTokens } from "./access_tokens.ts";
import { type GoogleApi, googleError, startGoogleApi } from "./google_api.ts";
import { type EmulatedRequest, jsonAnswer } from "./http_server.ts";
import { EmulatedPolicy } from "./iam_policy.ts";

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
  /** By project id; a project without one has an empty policy. */
  policies: Map<string, EmulatedPolicy>;
}

export interface ResourceManagerEmulator extends GoogleApi {
  state: ResourceManagerState;
  /** By id or number; `undefined` where there is no such project. */
  policyOf(project: string): EmulatedPolicy | undefined;
}

/** Starts the API on a free port. */
export async function startResourceManager(
  options: {
    accessTokens: AccessTokens;
    projects?: Project[];
    /** Whether a member of a policy is somebody. @default everybody is */
    exists?: (member: string) => boolean;
  },
): Promise<ResourceManagerEmulator> {
  const state: ResourceManagerState = { projects: options.projects ?? [], policies: new Map() };
  const find = (wanted: string) =>
    state.projects.find(({ projectId, name }) => projectId === wanted || name === `projects/${wanted}`);
  const policyOf = (wanted: string) => {
    const id = find(wanted)?.projectId;
    if (id === undefined) return undefined;
    const policy = state.policies.get(id) ?? new EmulatedPolicy(options.exists ? { exists: options.exists } : {});
    state.policies.set(id, policy);
    return policy;
  };
  const api = await startGoogleApi(options.accessTokens, [
    {
      method: "GET",
      path: /^\/v3\/projects\/([^/:]+)$/,
      permission: "resourcemanager.projects.get",
      handle: ([wanted = ""]) => {
        const project = find(wanted);
        return project ? jsonAnswer(200, project) : notYours(wanted);
      },
    },
    {
      method: "GET",
      path: /^\/v1\/projects\/([^/:]+)$/,
      permission: "resourcemanager.projects.get",
      handle: ([wanted = ""]) => {
        const project = find(wanted);
        return project ? jsonAnswer(200, inV1(project)) : notYours(wanted);
      },
    },
    {
      method: "POST",
      path: /^\/v[13]\/projects\/([^/:]+):getIamPolicy$/,
      permission: "resourcemanager.projects.getIamPolicy",
      handle: ([wanted = ""], request) => {
        const { options } = (bodyOf(request) ?? {}) as { options?: { requestedPolicyVersion?: number } };
        return policyOf(wanted)?.get(options?.requestedPolicyVersion) ?? notYours(wanted);
      },
    },
    {
      method: "POST",
      path: /^\/v[13]\/projects\/([^/:]+):setIamPolicy$/,
      permission: "resourcemanager.projects.setIamPolicy",
      handle: ([wanted = ""], request) => policyOf(wanted)?.set(bodyOf(request)) ?? notYours(wanted),
    },
  ]);
  return { ...api, state, policyOf };
}

/** The same words for a project that is not there and one the caller may not see. */
function notYours(wanted: string) {
  return googleError(
    403,
    `The caller does not have permission to access projects instance [${wanted}], or it may not exist`,
  );
}

function inV1({ name, projectId, displayName, state, labels }: Project): object {
  const projectNumber = name.replace("projects/", "");
  return {
    projectNumber,
    projectId,
    name: displayName ?? projectId,
    lifecycleState: state,
    ...(labels ? { labels } : {}),
  };
}

function bodyOf({ body }: EmulatedRequest): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
