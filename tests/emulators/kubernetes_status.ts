/**
 * The errors of a Kubernetes API server: `Status` objects with the words of the real ones.
 *
 * Wire facts: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ and
 * k8s.io/apimachinery/pkg/api/errors (the messages).
 */
import { type EmulatedAnswer, jsonAnswer } from "./http_server.ts";

/** What a request is about, as the API server's authorizer sees it. */
export interface ResourceAttributes {
  /** `get`, `create`, … */
  verb: string;
  /** Lower case plural, e.g. `serviceaccounts`. */
  resource: string;
  /** e.g. `token` */
  subresource?: string;
  /** @default the core group */
  group?: string;
  /** Empty for the whole cluster. */
  namespace: string;
  /** Empty for a collection. */
  name: string;
}

/** Any Status as text, e.g. for a {@link import("./faults.ts").FaultRule}: `statusBody(503, "ServiceUnavailable", "…")`. */
export function statusBody(code: number, reason: string, message: string, details?: object): string {
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason };
  return JSON.stringify({ ...status, ...(details ? { details } : {}), code });
}

function status(code: number, reason: string, message: string, details?: object): EmulatedAnswer {
  return { ...jsonAnswer(code, undefined), body: statusBody(code, reason, message, details) };
}

/** 401: credentials were given, and are not good. Says no more than that. */
export function unauthorized(): EmulatedAnswer {
  return status(401, "Unauthorized", "Unauthorized");
}

/** 403 for a resource. */
export function forbidden(user: string, what: ResourceAttributes): EmulatedAnswer {
  const full = what.subresource ? `${what.resource}/${what.subresource}` : what.resource;
  const place = what.namespace ? `in the namespace "${what.namespace}"` : "at the cluster scope";
  const kind = what.group ? `${what.resource}.${what.group}` : what.resource;
  const message = `${kind}${what.name ? ` "${what.name}"` : ""} is forbidden: User "${user}" cannot ${what.verb} ` +
    `resource "${full}" in API group "${what.group ?? ""}" ${place}`;
  const details = { ...(what.name ? { name: what.name } : {}), ...(what.group ? { group: what.group } : {}) };
  return status(403, "Forbidden", message, { ...details, kind: what.resource });
}

/** 403 by an admission controller, in its own words. */
export function refused(message: string, details: object): EmulatedAnswer {
  return status(403, "Forbidden", message, details);
}

/** 403 for a path that is no resource. */
export function forbiddenPath(user: string, method: string, path: string): EmulatedAnswer {
  return status(403, "Forbidden", `forbidden: User "${user}" cannot ${method.toLowerCase()} path "${path}"`, {});
}

/** 404 for an object. */
export function objectNotFound(resource: string, name: string): EmulatedAnswer {
  return status(404, "NotFound", `${resource} "${name}" not found`, { name, kind: resource });
}

/** 404 for a path the server does not serve. */
export function pathNotFound(): EmulatedAnswer {
  return status(404, "NotFound", "the server could not find the requested resource", {});
}

/** 405 for a resource that is served, by other methods. */
export function methodNotAllowed(): EmulatedAnswer {
  return status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

/** 400 for a body that cannot be read. */
export function badRequest(message: string): EmulatedAnswer {
  return status(400, "BadRequest", message);
}

/** 422 for a body that can be read and says what it may not. */
export function invalid(kind: string, group: string, field: string, complaint: string): EmulatedAnswer {
  const cause = { reason: "FieldValueInvalid", message: complaint, field };
  const message = `${kind}.${group} "" is invalid: ${field}: ${complaint}`;
  return status(422, "Invalid", message, { group, kind, causes: [cause] });
}

/** 409 for a version or an object that is another by now. */
export function conflict(resource: string, name: string, words: string): EmulatedAnswer {
  const message = `Operation cannot be fulfilled on ${resource} "${name}": ${words}`;
  return status(409, "Conflict", message, { name, kind: resource });
}

/** 409 for a name that is taken. */
export function alreadyExists(resource: string, name: string): EmulatedAnswer {
  return status(409, "AlreadyExists", `${resource} "${name}" already exists`, { name, kind: resource });
}

/** 409 of server-side apply, with the other managers' names. */
export function applyConflict(conflicts: { manager: string; field: string }[], version: string): EmulatedAnswer {
  const causes = conflicts.map(({ manager, field }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with "${manager}" using ${version}`,
    field,
  }));
  const words = causes.map(({ message, field }) => `${message}: ${field}`).join("\n");
  const message = `Apply failed with ${causes.length} conflict${causes.length > 1 ? "s" : ""}: ${words}`;
  return status(409, "Conflict", message, { causes });
}

/** 410 for a version that is forgotten. */
export function expired(message: string): EmulatedAnswer {
  return status(410, "Expired", message);
}

/** 503, as for a pod that does not answer. */
export function unavailable(message: string): EmulatedAnswer {
  return status(503, "ServiceUnavailable", message);
}
