import { Policy, POLICY_VERSION, type PolicyStore } from "./policy.ts";
import { googleCall, type GoogleRest, pathOf } from "./rest.ts";

/** The role that may send requests to a service. */
export const RUN_INVOKER = "roles/run.invoker";

const API = "run.googleapis.com";

/**
 * The IAM policy of a Cloud Run service. Reading is a GET here, unlike at most of Google's APIs:
 * https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/getIamPolicy and …/setIamPolicy
 */
export function runServicePolicy(
  { project, region, service }: { project: string; region: string; service: string },
  rest: GoogleRest,
): PolicyStore {
  const of = `Cloud Run service ${service} in ${region} of project ${project}`;
  const resource = `v2/${pathOf("projects", project, "locations", region, "services", service)}`;
  const fix = (status: number) =>
    status === 404 ? `check the name and the region: gcloud run services list --project ${project}` : undefined;
  return {
    of,
    async read(signal) {
      const query = `options.requestedPolicyVersion=${POLICY_VERSION}`;
      return await googleCall(Policy, {
        what: `read the IAM policy of ${of}`,
        api: API,
        project,
        path: `${resource}:getIamPolicy?${query}`,
        permission: "run.services.getIamPolicy",
        fix,
        signal,
      }, rest);
    },
    async write(policy, signal) {
      await googleCall(Policy, {
        what: `change the IAM policy of ${of}`,
        api: API,
        project,
        path: `${resource}:setIamPolicy`,
        method: "POST",
        json: { policy },
        permission: "run.services.setIamPolicy",
        fix,
        signal,
      }, rest);
    },
  };
}
