import { Policy, POLICY_VERSION, type PolicyStore } from "./policy.ts";
import { type GoogleCall, googleCall, type GoogleRest, pathOf } from "./rest.ts";

/** The IAM policy of a project, https://cloud.google.com/resource-manager/reference/rest/v3/projects/getIamPolicy and …/setIamPolicy. */
export function projectPolicy(project: string, rest: GoogleRest): PolicyStore {
  const of = `project ${project}`;
  const call = (verb: "getIamPolicy" | "setIamPolicy", json: unknown, more: Partial<GoogleCall>) =>
    googleCall(Policy, {
      what: `${verb === "getIamPolicy" ? "read" : "write"} the IAM policy of ${of}`,
      api: "cloudresourcemanager.googleapis.com",
      project,
      path: `v3/${pathOf("projects", project)}:${verb}`,
      method: "POST",
      json,
      permission: `resourcemanager.projects.${verb}`,
      ...more,
    }, rest);
  return {
    of,
    read: async (signal) =>
      await call("getIamPolicy", { options: { requestedPolicyVersion: POLICY_VERSION } }, { signal }),
    write: async (policy, signal) => void await call("setIamPolicy", { policy }, { signal }),
  };
}
