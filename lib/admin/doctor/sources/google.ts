import { enabledApis, type GoogleRest, MetadataServer, projectLabels, projectPolicy } from "../../../gcp/mod.ts";
import type { GoogleApiName } from "../../context.ts";
import { type Outside, source } from "../source.ts";

/** What the commands ask; each has to be switched on in the project. */
export const APIS = [
  "cloudresourcemanager.googleapis.com",
  "container.googleapis.com",
  "iam.googleapis.com",
  "run.googleapis.com",
] as const;

/** Requests that are made of Google: once again where that can help, and no longer than the deadline. */
export const TRIES = 2;

/** An API's REST by the doctor's own way to the network. */
export async function restOf({ context, fetch }: Outside, api: GoogleApiName): Promise<GoogleRest> {
  return { ...await context.rest(api), fetch };
}

export const credentials = source<"credentials">({
  label: "Google credentials",
  async look(_, { context }) {
    const found = await context.credentials();
    if (!found.origin.startsWith("metadata server")) return { origin: found.origin, account: found.account };
    return { origin: found.origin, account: (await instance(context.environment).facts())?.account };
  },
});

export const token = source<"token", "credentials">({
  label: "an access token",
  needs: ["credentials"],
  async look({ credentials }, { context }) {
    await (await context.credentials()).accessToken();
    return { account: credentials.account };
  },
});

/** What is said by nobody is the instance's own, where this is one of Google's. */
export const project = source<"project">({
  label: "a project",
  look: (_, { context }) => orOfInstance(() => context.project(), context.environment, "projectId"),
});

export const region = source<"region">({
  label: "a region",
  look: (_, { context }) => orOfInstance(() => context.region(), context.environment, "region"),
});

export const apis = source<"apis", "token" | "project">({
  label: "Service Usage",
  needs: ["token", "project"],
  look: async ({ project }, outside, signal) =>
    await enabledApis(project, APIS, await restOf(outside, "serviceusage"), signal),
});

export const policyOfProject = source<"projectPolicy", "token" | "project">({
  label: "the project's IAM policy",
  needs: ["token", "project"],
  look: async ({ project }, outside, signal) =>
    await projectPolicy(project, await restOf(outside, "cloudresourcemanager")).read(signal),
});

export const labels = source<"labels", "token" | "project">({
  label: "the project's labels",
  needs: ["token", "project"],
  look: async ({ project }, outside) => await projectLabels(project, await restOf(outside, "cloudresourcemanager")),
});

export const clocks = source<"clocks", never, "apis" | "labels" | "version">({
  label: "another clock",
  wants: ["apis", "labels", "version"], // after these Google has answered, if it does
  look: ({ version }, { googleAheadMs }) => Promise.resolve({ google: googleAheadMs(), cluster: version?.aheadMs }),
});

async function orOfInstance(
  said: () => Promise<string>,
  environment: Outside["context"]["environment"],
  fact: "projectId" | "region",
): Promise<string> {
  try {
    return await said();
  } catch (error) {
    const own = (await instance(environment).facts())?.[fact];
    if (own) return own;
    throw error;
  }
}

function instance(environment: Outside["context"]["environment"]): MetadataServer {
  return new MetadataServer({ host: environment["GCE_METADATA_HOST"] });
}
