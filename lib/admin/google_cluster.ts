import { Problem, UsageError } from "../base/errors.ts";
import { HttpError } from "../base/http.ts";
import { connect, gkeCandidate } from "../cluster/mod.ts";
import { getCluster, type GkeCluster, type GoogleRest, listClusters } from "../gcp/mod.ts";
import type { KubeClient } from "../kube/mod.ts";

export interface NamedCluster {
  name: string;
  /** Region or zone; without one all are searched. */
  location: string | undefined;
  /** Where of several of that name the one is that is meant, unless somebody says it. */
  usual: readonly (string | undefined)[];
  project: string;
}

const BUDGET_MS = 10_000;

/** A GKE cluster by its name. @throws {Problem} there is none, or it does not answer  {UsageError} there are several */
export async function googleCluster(
  named: NamedCluster,
  rest: GoogleRest,
): Promise<KubeClient> {
  const { name, location, project } = named;
  const found = location
    ? await getCluster({ project, location, name }, rest)
    : theOne(named, (await listClusters(project, rest)).clusters);
  const answers = (kube: KubeClient, limits: { signal: AbortSignal; tries: number; timeoutMs: number }) =>
    kube.request("/version", { what: `reach ${kube.access.origin}`, ...limits });
  try {
    const candidate = gkeCandidate(found, rest.credentials, undefined);
    return (await connect([candidate], answers, { budgetMs: BUDGET_MS, fetch: rest.fetch })).kube;
  } catch (error) {
    if (!(error instanceof Problem) || error instanceof HttpError) throw error;
    throw new Problem({
      tried: `reach GKE cluster ${name} in ${found.location} of project ${project}`,
      got: error.got,
      fix: "let this machine's address into the cluster's authorized networks, or come by a way that it has: " +
        `gcloud container clusters get-credentials ${name} --location ${found.location} --project ${project} --dns-endpoint`,
      cause: error,
    });
  }
}

/** The cluster of that name; of several the one in a usual place. */
export function theOne({ name, usual, project }: NamedCluster, clusters: readonly GkeCluster[]): GkeCluster {
  const found = clusters.filter((cluster) => cluster.name === name);
  const at = usual.map((location) => found.find((cluster) => cluster.location === location)).find(Boolean);
  const one = at ?? (found.length === 1 ? found[0] : undefined);
  if (one) return one;
  const tried = `find GKE cluster ${name} in project ${project}`;
  if (found.length > 1) {
    const places = found.map(({ location }) => location).join(", ");
    throw new UsageError({ tried, got: `there is one in each of ${places}`, fix: "--location LOCATION" });
  }
  const all = clusters.map(({ name, location }) => `${name} in ${location}`).join(", ");
  throw new Problem({
    tried,
    got: `there is none: it has ${all || "no clusters"}`,
    fix: "--cluster NAME, --project PROJECT",
  });
}
