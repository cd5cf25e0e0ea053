/**
 * What Google's REST APIs have in common: error bodies, access tokens, permissions.
 *
 * Wire facts: https://cloud.google.com/apis/design/errors#http_mapping (the error body and its `status` names).
 */
import { type AccessTokens, bearerToken } from "./access_tokens.ts";
import {
  type EmulatedAnswer,
  type EmulatedRequest,
  type HttpServer,
  jsonAnswer,
  startHttpServer,
} from "./http_server.ts";

/** The names that go with an HTTP status in an error body. */
const STATUS_NAMES: Record<number, string> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  409: "ABORTED",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
};

/** The body of an error as text, e.g. for a {@link import("./faults.ts").FaultRule}. */
export function googleErrorBody(code: number, message: string, details: object[] = []): string {
  const status = STATUS_NAMES[code] ?? "UNKNOWN";
  return JSON.stringify({ error: { code, message, status, ...(details.length > 0 ? { details } : {}) } });
}

/** An error answer; `reason` becomes an ErrorInfo in `details`. 409 with another status than ABORTED: {@link alreadyExists}. */
export function googleError(code: number, message: string, reason?: string): EmulatedAnswer {
  const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "googleapis.com" };
  return {
    status: code,
    headers: { "content-type": "application/json; charset=UTF-8" },
    body: googleErrorBody(code, message, reason === undefined ? [] : [info]),
  };
}

/** 409 for a name that is taken, https://cloud.google.com/apis/design/errors#error_model. */
export function alreadyExists(message: string, resourceName: string): EmulatedAnswer {
  const details = [{ "@type": "type.googleapis.com/google.rpc.ResourceInfo", resourceName }];
  return jsonAnswer(409, { error: { code: 409, message, status: "ALREADY_EXISTS", details } });
}

/** One method of an API. */
export interface GoogleMethod {
  method: string;
  /** Tried on the path without the query; its groups are the handler's `names`. */
  path: RegExp;
  /** The IAM permission it needs, e.g. `container.clusters.list`; those that depend on the request are in its answer. */
  permission: string;
  handle(names: string[], request: EmulatedRequest): EmulatedAnswer | Promise<EmulatedAnswer>;
}

export interface GoogleApi extends HttpServer {
  /** IAM permissions nobody has from now on: their methods answer 403. `serviceusage.services.use`: no project may be charged. */
  deniedPermissions: Set<string>;
}

/** Who names a project to be charged needs this in it, https://cloud.google.com/docs/quotas/set-quota-project. */
const CHARGE = "serviceusage.services.use";

/** Starts an API of the given methods, open to every owner of a valid access token. */
export async function startGoogleApi(accessTokens: AccessTokens, methods: readonly GoogleMethod[]): Promise<GoogleApi> {
  const deniedPermissions = new Set<string>();
  const handle = async (request: EmulatedRequest): Promise<EmulatedAnswer> => {
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) return unauthenticated("CREDENTIALS_MISSING");
    const user = accessTokens.ownerOf(token);
    if (user === undefined) return unauthenticated("ACCESS_TOKEN_EXPIRED");
    for (const candidate of methods) {
      const match = candidate.method === request.method ? candidate.path.exec(request.url.pathname) : null;
      if (!match) continue;
      const charged = request.headers["x-goog-user-project"];
      const permissions = [...(charged ? [CHARGE] : []), candidate.permission];
      const denied = permissions.find((permission) => deniedPermissions.has(permission));
      const told = { user, permissions };
      if (denied === CHARGE) return { ...chargeDenied(charged!), ...told };
      if (denied) return { ...permissionDenied(candidate, request), ...told };
      const answer = await candidate.handle(match.slice(1).map(decodeURIComponent), request);
      return { ...answer, user, permissions: [...permissions, ...answer.permissions ?? []] };
    }
    return { ...jsonAnswer(404, "Not Found"), headers: { "content-type": "text/html; charset=UTF-8" }, user };
  };
  return { ...await startHttpServer({ handle }), deniedPermissions };
}

function unauthenticated(reason: string): EmulatedAnswer {
  const message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or " +
    "other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.";
  const answer = googleError(401, message, reason);
  return {
    ...answer,
    headers: { ...answer.headers, "www-authenticate": 'Bearer realm="https://accounts.google.com/"' },
  };
}

function permissionDenied(method: GoogleMethod, request: EmulatedRequest): EmulatedAnswer {
  const resource = request.url.pathname.replace(/^\/v\d+\//, "");
  return googleError(403, `Required "${method.permission}" permission(s) for "${resource}".`, "IAM_PERMISSION_DENIED");
}

function chargeDenied(project: string): EmulatedAnswer {
  const message = `Caller does not have required permission to use project ${project}. Grant the caller the ` +
    "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission, by visiting " +
    `https://console.developers.google.com/iam-admin/iam/project?project=${project} and then retry. Propagation of the new ` +
    "permission may take a few minutes.";
  return googleError(403, message, "USER_PROJECT_DENIED");
}
