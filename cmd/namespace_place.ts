import { cloudRun, enabledApis, projectPolicy, serviceAccounts } from "../lib/gcp/mod.ts";
import { Problem } from "../lib/base/errors.ts";
import type { AdminContext, GoogleApis, NamespacePlace, TeardownPlace } from "../lib/admin/mod.ts";

/** Where a namespace is set up and taken back, as the command line and its surroundings say. */
export async function namespacePlace(
  context: AdminContext,
  project: string | undefined,
): Promise<NamespacePlace & TeardownPlace> {
  const google = async (project: string): Promise<GoogleApis> => ({
    accounts: serviceAccounts(project, await context.rest("iam")),
    policy: projectPolicy(project, await context.rest("cloudresourcemanager")),
  });
  return {
    kube: await context.kube(),
    google: project === undefined ? undefined : await google(project),
    googleOf: google,
    enabledApis: async (apis, signal) =>
      project === undefined
        ? undefined
        : await orNothing(async () => await enabledApis(project, apis, await context.rest("serviceusage"), signal)),
    servicesOf: async (email, project, signal) =>
      await orNothing(async () => {
        const region = await context.region();
        const services = await cloudRun(await context.rest("run")).services(project, region, signal);
        return services.filter(({ serviceAccount }) => serviceAccount === email)
          .map(({ name }) => `${name.split("/").at(-1)} in ${region}`);
      }) ?? [],
  };
}

/** What only makes an answer better is left out where it may not be seen. */
async function orNothing<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}
