/**
 * Who may do what with a Cloud Run service: `:getIamPolicy` (a GET) and `:setIamPolicy` of the Cloud Run Admin API.
 *
 * Wire facts: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/getIamPolicy and …/setIamPolicy
 */
import { googleError, type GoogleMethod } from "./google_api.ts";
import type { EmulatedAnswer, EmulatedRequest } from "./http_server.ts";
import { EmulatedPolicy, type EmulatedPolicyOptions } from "./iam_policy.ts";

/** The policies of services, made when they are first looked at; one that is deleted and made anew has an empty one. */
export class ServicePolicies {
  readonly #policies = new Map<string, EmulatedPolicy>();

  constructor(readonly options: Pick<EmulatedPolicyOptions, "exists"> = {}) {}

  /** @param name `projects/P/locations/R/services/S` */
  of(name: string): EmulatedPolicy {
    let policy = this.#policies.get(name);
    if (!policy) this.#policies.set(name, policy = new EmulatedPolicy({ ...this.options, bindings: [] }));
    return policy;
  }

  forget(name: string): void {
    this.#policies.delete(name);
  }
}

const PATH = (verb: string) => new RegExp(`^/v2/projects/([^/]+)/locations/([^/]+)/services/([^/:]+):${verb}$`);

/** @param has whether there is a service of that name */
export function policyMethods(policies: ServicePolicies, has: (name: string) => boolean): GoogleMethod[] {
  const method = (
    method: "GET" | "POST",
    verb: "getIamPolicy" | "setIamPolicy",
    answer: (policy: EmulatedPolicy, request: EmulatedRequest) => EmulatedAnswer,
  ): GoogleMethod => ({
    method,
    path: PATH(verb),
    permission: `run.services.${verb}`,
    handle([project, region, service], request) {
      const name = `projects/${project}/locations/${region}/services/${service}`;
      if (has(name)) return answer(policies.of(name), request);
      return googleError(404, `Resource '${service}' of kind 'SERVICE' in region '${region}' does not exist.`);
    },
  });
  return [
    method("GET", "getIamPolicy", (policy, { url }) => {
      const version = url.searchParams.get("options.requestedPolicyVersion");
      return policy.get(version === null ? undefined : Number(version));
    }),
    method("POST", "setIamPolicy", (policy, { body }) => {
      try {
        return policy.set(JSON.parse(new TextDecoder().decode(body)));
      } catch {
        return googleError(400, "Invalid JSON payload received.");
      }
    }),
  ];
}
