import { Problem } from "../../base/errors.ts";
import { parseAs } from "../../base/json.ts";
import type { KubeClient } from "../../kube/mod.ts";
import type { Right } from "./rights.ts";
import * as v from "valibot";

/** A right and whether it is held. */
export interface ReviewedRight extends Right {
  isAllowed: boolean;
}

const Review = v.object({ status: v.object({ allowed: v.boolean() }) });
const Who = v.object({ status: v.object({ userInfo: v.object({ username: v.string() }) }) });

/** Asked at a time: a review is cheap, but an API server limits what one client has in flight. */
const AT_ONCE = 8;

/**
 * Asks the cluster's authorizer for each right, https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access.
 * @param user somebody else, which only some may ask for; without one, who asks
 * @throws {HttpError} 403 where this account may not ask for somebody else
 */
export async function review(
  kube: KubeClient,
  rights: readonly Right[],
  { user, signal }: { user?: string | undefined; signal: AbortSignal },
): Promise<ReviewedRight[]> {
  const kind = user === undefined ? "SelfSubjectAccessReview" : "SubjectAccessReview";
  const found: ReviewedRight[] = rights.map((right) => ({ ...right, isAllowed: false }));
  const queue = [...found];
  const worker = async () => {
    for (let right = queue.shift(); right; right = queue.shift()) {
      const { verb, group, resource, subresource, namespace, name } = right;
      const resourceAttributes = { verb, group, resource, subresource, namespace, name };
      // Everybody who is authenticated is in this group; what is granted to it is granted to them.
      const whose = user === undefined ? {} : { user, groups: ["system:authenticated"] };
      const what = `ask whether ${user ?? "this account"} may ${verb} ${resource} on ${kube.access.origin}`;
      const { text } = await kube.request(`/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`, {
        what,
        method: "POST",
        json: { apiVersion: "authorization.k8s.io/v1", kind, spec: { ...whose, resourceAttributes } },
        signal,
      });
      right.isAllowed = parseAs(Review, text, what).status.allowed;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, worker));
  return found;
}

/**
 * As who the cluster knows this account, https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review
 * (1.28 or later).
 * @throws {HttpError} refused, or not served
 */
export async function whoAmI(kube: KubeClient, signal: AbortSignal): Promise<string> {
  const what = `ask who this account is on ${kube.access.origin}`;
  const { text } = await kube.request("/apis/authentication.k8s.io/v1/selfsubjectreviews", {
    what,
    method: "POST",
    json: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
    signal,
  });
  const { username } = parseAs(Who, text, what).status.userInfo;
  if (username) return username;
  throw new Problem({ tried: what, got: "an empty name" });
}
