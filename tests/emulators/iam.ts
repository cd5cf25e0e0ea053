/**
 * The IAM API, iam.googleapis.com: service accounts of a project, and their own policies.
 *
 * Wire facts: https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts; an account that was just made is not seen by
 * policies for some seconds, https://cloud.google.com/iam/docs/service-accounts-create.
 */
import type { AccessTokens } from "./access_tokens.ts";
import { alreadyExists, type GoogleApi, googleError, startGoogleApi } from "./google_api.ts";
import { type EmulatedAnswer, type EmulatedRequest, jsonAnswer } from "./http_server.ts";
import { EmulatedPolicy } from "./iam_policy.ts";

/** A service account as the API gives it. */
export interface ServiceAccount {
  /** `projects/P/serviceAccounts/EMAIL` */
  name: string;
  projectId: string;
  uniqueId: string;
  email: string;
  displayName?: string;
  description?: string;
  etag: string;
  oauth2ClientId: string;
  disabled?: boolean;
}

/** What the API answers; may be changed while it runs. */
export interface IamState {
  projectId: string;
  serviceAccounts: ServiceAccount[];
  /** Policies of service accounts, by e-mail. */
  policies: Map<string, EmulatedPolicy>;
  /** How long a new account is not seen by policies. @default 0 */
  invisibleMs: number;
}

export interface IamEmulator extends GoogleApi {
  state: IamState;
  /** Whether a member of a policy is somebody: for {@link EmulatedPolicy}'s `exists`. Accounts of other projects are taken to be there. */
  exists(member: string): boolean;
  /** Makes an account as a person would. */
  add(accountId: string, fields?: Partial<ServiceAccount>): ServiceAccount;
}

const LONGEST_DESCRIPTION_BYTES = 256;
const LONGEST_NAME_BYTES = 100;

/** Starts the API on a free port. */
export async function startIam(
  options: { accessTokens: AccessTokens } & Partial<Omit<IamState, "policies">>,
): Promise<IamEmulator> {
  const { accessTokens, ...given } = options;
  const state: IamState = {
    projectId: "demo-project",
    serviceAccounts: [],
    policies: new Map(),
    invisibleMs: 0,
    ...given,
  };
  const visibleAt = new Map<string, number>();
  let made = 0;
  const add: IamEmulator["add"] = (accountId, fields = {}) => {
    const email = `${accountId}@${state.projectId}.iam.gserviceaccount.com`;
    const uniqueId = `1${String(++made).padStart(20, "0")}`;
    const account: ServiceAccount = {
      name: `projects/${state.projectId}/serviceAccounts/${email}`,
      projectId: state.projectId,
      uniqueId,
      email,
      etag: "MDEwMjE5MjA=",
      oauth2ClientId: uniqueId,
      ...fields,
    };
    state.serviceAccounts.push(account);
    visibleAt.set(email, Date.now() + state.invisibleMs);
    return account;
  };
  const find = (project: string, account: string) => {
    const isOurs = project === "-" || project === state.projectId;
    return isOurs
      ? state.serviceAccounts.find(({ email, uniqueId }) => email === account || uniqueId === account)
      : undefined;
  };
  const path = (end: string) => new RegExp(`^/v1/projects/([^/]+)/serviceAccounts${end}$`);
  const one = "/([^/:]+)";
  const api = await startGoogleApi(accessTokens, [
    {
      method: "POST",
      path: path(""),
      permission: "iam.serviceAccounts.create",
      handle: ([project = ""], request) => create(project, request),
    },
    {
      method: "GET",
      path: path(""),
      permission: "iam.serviceAccounts.list",
      handle([project = ""]) {
        if (project !== state.projectId) return foreign("list", project);
        const { serviceAccounts: accounts } = state;
        return jsonAnswer(200, accounts.length > 0 ? { accounts } : {});
      },
    },
    {
      method: "GET",
      path: path(one),
      permission: "iam.serviceAccounts.get",
      handle: ([project = "", account = ""]) => {
        const found = find(project, account);
        return found ? jsonAnswer(200, found) : unknown(account);
      },
    },
    {
      method: "DELETE",
      path: path(one),
      permission: "iam.serviceAccounts.delete",
      handle([project = "", account = ""]) {
        const found = find(project, account);
        if (!found) return unknown(account);
        state.serviceAccounts.splice(state.serviceAccounts.indexOf(found), 1);
        state.policies.delete(found.email);
        return jsonAnswer(200, {});
      },
    },
    {
      method: "POST",
      path: path(`${one}:getIamPolicy`),
      permission: "iam.serviceAccounts.getIamPolicy",
      handle: ([project = "", account = ""], { url }) =>
        policyOf(project, account)?.get(Number(url.searchParams.get("options.requestedPolicyVersion") ?? 1)) ??
          unknown(account),
    },
    {
      method: "POST",
      path: path(`${one}:setIamPolicy`),
      permission: "iam.serviceAccounts.setIamPolicy",
      handle: ([project = "", account = ""], request) =>
        policyOf(project, account)?.set(bodyOf(request)) ?? unknown(account),
    },
  ]);
  const exists = (member: string) => {
    const email = /^serviceAccount:([^@]+@([^@.]+)\.iam\.gserviceaccount\.com)$/.exec(member);
    if (!email || email[2] !== state.projectId) return true;
    return find(state.projectId, email[1]!) !== undefined && (visibleAt.get(email[1]!) ?? 0) <= Date.now();
  };

  function create(project: string, request: EmulatedRequest): EmulatedAnswer {
    if (project !== state.projectId) return foreign("create", project);
    const body = bodyOf(request) as { accountId?: unknown; serviceAccount?: Partial<ServiceAccount> } | undefined;
    if (typeof body !== "object") return googleError(400, "Invalid JSON payload received.");
    const { accountId, serviceAccount: { displayName, description } = {} } = body;
    if (typeof accountId !== "string" || accountId === "") return googleError(400, "The account ID is required.");
    if (accountId.length < 6 || accountId.length > 30) {
      return googleError(400, `The account ID "${accountId}" does not have a length between 6 and 30.`);
    }
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])$/.test(accountId)) {
      return googleError(400, `Invalid account ID "${accountId}": it must match [a-z]([-a-z0-9]*[a-z0-9]).`);
    }
    for (
      const [value, most] of [[displayName, LONGEST_NAME_BYTES], [description, LONGEST_DESCRIPTION_BYTES]] as const
    ) {
      if (new TextEncoder().encode(value ?? "").length > most) {
        return googleError(400, `The field is longer than ${most} bytes.`);
      }
    }
    const email = `${accountId}@${project}.iam.gserviceaccount.com`;
    if (find(project, email)) {
      return alreadyExists(
        `Service account ${accountId} already exists within project projects/${project}.`,
        `projects/${project}/serviceAccounts/${email}`,
      );
    }
    const fields = { ...(displayName ? { displayName } : {}), ...(description ? { description } : {}) };
    return jsonAnswer(200, add(accountId, fields));
  }

  function policyOf(project: string, account: string): EmulatedPolicy | undefined {
    const found = find(project, account);
    if (!found) return undefined;
    const policy = state.policies.get(found.email) ?? new EmulatedPolicy({ exists });
    state.policies.set(found.email, policy);
    return policy;
  }

  return { ...api, state, exists, add };
}

function bodyOf({ body }: EmulatedRequest): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

function unknown(account: string): EmulatedAnswer {
  return googleError(404, `Unknown service account: ${account}`);
}

function foreign(verb: "create" | "list", project: string): EmulatedAnswer {
  const resource = `projects/${project}`;
  return googleError(
    403,
    `Permission 'iam.serviceAccounts.${verb}' denied on resource '${resource}' (or it may not exist).`,
  );
}
