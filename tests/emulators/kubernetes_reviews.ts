/**
 * What an API server says of rights and of who asks.
 *
 * Wire facts: https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/ (self-subject and subject access reviews),
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review
 */
import { type EmulatedAnswer, type EmulatedRequest, jsonAnswer } from "./http_server.ts";
import { isAllowed, type Permission, type User } from "./kubernetes_rbac.ts";
import * as errors from "./kubernetes_status.ts";

interface Spec {
  user?: string;
  groups?: string[];
  resourceAttributes?: {
    verb?: string;
    group?: string;
    resource?: string;
    subresource?: string;
    namespace?: string;
    name?: string;
  };
}

/** `undefined` for another path. Everybody who is known may ask for himself; for others it takes a right. */
export function answerReview(
  request: EmulatedRequest,
  rights: { permissions: readonly Permission[]; denied: readonly Permission[] },
  user: User,
): EmulatedAnswer | undefined {
  const [, group = "", resource = ""] =
    /^\/apis\/(authorization|authentication)\.k8s\.io\/v1\/([a-z]+)$/.exec(request.url.pathname) ?? [];
  const kind = KINDS[`${group} ${resource}`];
  if (!kind) return undefined;
  if (request.method !== "POST") return errors.methodNotAllowed();
  const full = { verb: "create", resource, group: `${group}.k8s.io`, namespace: "", name: "" };
  const isOpen = kind.startsWith("Self") && user.groups.includes("system:authenticated");
  if (!isOpen && !isAllowed(rights, user, full)) return errors.forbidden(user.name, full);
  const apiVersion = `${group}.k8s.io/v1`;
  const given = bodyOf(request);
  if (given?.kind !== kind || given.apiVersion !== apiVersion) return errors.badRequest(`the body is no ${kind}`);
  const answer = (status: object) =>
    jsonAnswer(201, { apiVersion, kind, metadata: { creationTimestamp: null }, spec: given.spec ?? {}, status });
  if (kind === "SelfSubjectReview") return answer({ userInfo: { username: user.name, groups: user.groups } });
  const { resourceAttributes: asked, user: name, groups = [] } = given.spec ?? {};
  if (!asked) {
    return errors.invalid(
      kind,
      full.group,
      "spec.resourceAttributes",
      "exactly one of nonResourceAttributes or resourceAttributes must be specified",
    );
  }
  if (kind === "SubjectAccessReview" && !name) {
    return errors.invalid(kind, full.group, "spec.user", "at least one of user or group must be specified");
  }
  const whose = kind === "SubjectAccessReview" ? { name: name!, groups } : user;
  const allowed = isAllowed(rights, whose, {
    verb: asked.verb ?? "",
    resource: asked.resource ?? "",
    ...(asked.subresource ? { subresource: asked.subresource } : {}),
    group: asked.group ?? "",
    namespace: asked.namespace ?? "",
    name: asked.name ?? "",
  });
  return answer(allowed ? { allowed, reason: "RBAC: allowed" } : { allowed });
}

const KINDS: Readonly<Record<string, string>> = {
  "authorization selfsubjectaccessreviews": "SelfSubjectAccessReview",
  "authorization subjectaccessreviews": "SubjectAccessReview",
  "authentication selfsubjectreviews": "SelfSubjectReview",
};

function bodyOf({ body }: EmulatedRequest): { apiVersion?: string; kind?: string; spec?: Spec } | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
