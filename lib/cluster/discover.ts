import type { Fetch } from "../base/http.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import {
  findCredentials,
  gcloudDirectory,
  getCluster,
  type GoogleCredentials,
  listClusters,
  MetadataServer,
  projectLabels,
} from "../gcp/mod.ts";
import { inClusterAccess, type KubeClient, readKubeconfig } from "../kube/mod.ts";
import {
  environmentLayers,
  flagLayer,
  gkeLayer,
  inClusterLayer,
  type InstanceFacts,
  kubeconfigLayer,
  type Layer,
  metadataLayers,
  parseMesh,
  projectLabelLayer,
  resolve,
  type Settings,
} from "../settings/mod.ts";
import { type Candidate, connect, gkeCandidate } from "./connect.ts";
import { orderClusters } from "./choose.ts";
import { meshFile } from "./mesh_file.ts";
import { noCluster, noneFits } from "./problems.ts";
import { MESH_ENV, readMeshEnv } from "./mesh_env.ts";

const log = logger("krun", "cluster");

/** The outside world as this stage sees it; tests pass their own. */
export interface Outside {
  environment: Readonly<Record<string, string | undefined>>;
  flags: Readonly<Record<string, string | boolean | undefined>>;
  fetch?: Fetch | undefined;
}

/** The settled settings and the cluster they came from; `kube` is missing where no mesh is wanted (`XDS_ADDR=-`). */
export interface Discovery {
  settings: Settings;
  kube: KubeClient | undefined;
  facts: InstanceFacts | undefined;
  cluster: string | undefined;
  /** Reads mesh-env again and settles everything with it; what was given otherwise stays as it was. */
  readAgain?: ((signal: AbortSignal) => Promise<Settings>) | undefined;
}

/**
 * Finds the cluster and settles every setting from it: metadata → cluster list and project labels → mesh-env, each step at once
 * with whatever does not depend on it.
 * @throws {Problem} no cluster is named, found or answers; a permission is missing
 */
export async function discover(outside: Outside): Promise<Discovery> {
  const layers: Layer[] = [flagLayer(outside.flags), ...environmentLayers(outside.environment)];
  const metadata = new MetadataServer({ host: outside.environment["GCE_METADATA_HOST"], fetch: outside.fetch });
  const asked = metadata.facts(isExpected(outside.environment) ? undefined : SHORT_SILENCE_MS);
  asked.catch(() => {}); // awaited below, whatever fails before
  const given = resolve(layers);
  if (given.xdsAddress === "-") return { settings: given, kube: undefined, facts: undefined, cluster: undefined };

  layers.unshift(...meshLayers(given));

  const credentials = once(() =>
    findCredentials({
      file: given.googleCredentials,
      gcloudDirectory: gcloudDirectory(outside.environment),
      metadata,
      fetch: outside.fetch,
    })
  );
  const local = await localAccess(given, layers, outside, credentials);
  // Without one GKE is asked next: its token comes meanwhile, and what is wrong with it is said there.
  const withToken = local ? undefined : credentials().then(async (found) => (await found.accessToken(), found));
  await withToken?.catch(() => {});
  // A namespace that is said already is not the metadata server's to change: the cluster is asked meanwhile.
  const early = local && isSaid("WORKLOAD_NAMESPACE", layers) ? reach(local, layers, outside) : undefined;
  early?.catch(() => {}); // awaited below, whatever fails before
  const facts = await asked.catch((error) => {
    early?.then(({ kube }) => kube[Symbol.dispose](), () => {});
    throw error;
  });
  if (facts) {
    const said = (facts: InstanceFacts) => metadataLayers(facts, outside.environment);
    const isOwn = resolve([...layers, ...said(facts)]).projectId === facts.projectId; // another project has another number
    layers.push(...said(isOwn ? facts : { ...facts, projectNumber: undefined }));
  } else log.debug(`no metadata server at ${metadata.address}: this is not Google Cloud`);

  const candidates = local ?? await googleCandidates(layers, { outside, credentials: withToken!, metadata, facts });
  const { kube, candidate, first } = await (early ?? reach(candidates, layers, outside));
  const { namespace } = resolve(layers);
  if (candidate.cluster) {
    const project = resolve(layers).projectId!;
    layers.push(gkeLayer({ project, name: candidate.cluster.name, location: candidate.cluster.location }));
  }
  if (first.length === 0) log.debug(`no config map ${MESH_ENV} in ${namespace} or istio-system of ${candidate.name}`);
  return {
    settings: resolve([...layers, ...first]),
    kube,
    facts,
    cluster: candidate.name,
    readAgain: async (signal) => resolve([...layers, ...await readMeshEnv(kube, namespace, { signal })]),
  };
}

/** A VM of Google's has its metadata server's answers in milliseconds; elsewhere often nobody says that there is none. */
const SHORT_SILENCE_MS = 100;

/** Whether the metadata server is worth as long a wait as it may take early in an instance's life: not where KUBECONFIG gives the cluster. */
function isExpected(environment: Outside["environment"]): boolean {
  const names = ["K_SERVICE", "CLOUD_RUN_JOB", "GCE_METADATA_HOST"];
  return !environment["KUBECONFIG"] || names.some((name) => environment[name] !== undefined);
}

/** Connects to the first of `candidates` that is meant, with what its mesh-env says. */
function reach(candidates: readonly Candidate[], layers: readonly Layer[], outside: Outside) {
  const { namespace, clusterBudgetMs, xdsAddress } = resolve(layers);
  // Of several clusters one without mesh-env is not meant, unless the control plane is known anyway.
  const isMeant = (found: Layer[]) => found.length > 0 || candidates.length === 1 || xdsAddress !== undefined;
  return connect(candidates, async (kube, limits) => {
    const found = await readMeshEnv(kube, namespace, limits);
    return isMeant(found) ? found : undefined;
  }, { budgetMs: clusterBudgetMs, fetch: outside.fetch });
}

function isSaid(variable: string, layers: readonly Layer[]): boolean {
  return resolve(layers).from[variable]?.source !== "default";
}

/** What `MESH=gke://…` names goes before single variables of the same source. */
function meshLayers(given: Settings): Layer[] {
  const mesh = given.mesh ? parseMesh(given.mesh) : undefined;
  if (mesh?.kind !== "gke") return [];
  const values = { PROJECT_ID: mesh.project, CLUSTER_LOCATION: mesh.location, CLUSTER_NAME: mesh.cluster };
  return [{ source: given.from["MESH"]!.source, origin: "MESH", values }];
}

/** A cluster that needs no search: MESH=file://, KUBECONFIG, ~/.kube/config or the pod's own; adds what it says to `layers`. */
async function localAccess(
  given: Settings,
  layers: Layer[],
  outside: Outside,
  credentials: () => Promise<GoogleCredentials>,
): Promise<Candidate[] | undefined> {
  const mesh = given.mesh ? parseMesh(given.mesh) : undefined;
  const file = mesh?.kind === "file" ? await meshFile(mesh.path) : undefined;
  if (file?.kind === "mesh-env") layers.push(file.layer);
  if (mesh?.kind === "gke") return undefined;

  const named = file?.kind === "kubeconfig" ? file.path : given.kubeconfig;
  const path = named ??
    (given.clusterName ? undefined : await ownKubeconfig(outside.environment));
  if (path) {
    const kubeconfig = await readKubeconfig(path, {
      context: given.context,
      environment: outside.environment,
      googleToken: async () => await (await credentials()).accessToken(),
    });
    layers.push(kubeconfigLayer(kubeconfig));
    return [{ name: kubeconfig.access.origin, ways: [kubeconfig.access] }];
  }
  const pod = given.clusterName ? undefined : await inClusterAccess(outside.environment);
  if (!pod) return undefined;
  layers.push(inClusterLayer(pod.namespace, pod.directory));
  return [{ name: pod.access.origin, ways: [pod.access] }];
}

/** Clusters by the GKE API, the best first; the project's labels are asked for meanwhile. */
async function googleCandidates(
  layers: Layer[],
  context: {
    outside: Outside;
    credentials: Promise<GoogleCredentials>;
    metadata: MetadataServer;
    facts: InstanceFacts | undefined;
  },
): Promise<Candidate[]> {
  const { outside, facts } = context;
  const settled = resolve(layers);
  const { projectId: project, clusterName: name, clusterLocation: location } = settled;
  if (!project) throw noCluster(context.metadata.address);
  const credentials = await context.credentials;
  const options = {
    credentials,
    account: facts?.account,
    endpoint: outside.environment["CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER"],
    fetch: outside.fetch,
    onRetry: (error: Error) => log.debug(`trying again: ${reasonOf(error)}`),
  };
  const [clusters] = await Promise.all([
    name && location
      ? getCluster({ project, location, name }, options).then((cluster) => [cluster])
      : listClusters(project, options).then(({ clusters, missingZones }) => {
        if (missingZones.length > 0) log.warn(`GKE has no answer from ${missingZones.join(", ")}`);
        return clusters;
      }),
    addProjectLabels(layers, project, credentials, outside),
  ]);
  // The labels may name the cluster.
  const wanted = resolve(layers);
  const ordered = orderClusters(clusters, {
    name: wanted.clusterName,
    location: wanted.clusterLocation,
    region: wanted.region,
  });
  if (ordered.length === 0) throw noneFits(project, clusters, wanted.clusterName, wanted.clusterLocation);
  log.info(`clusters in order: ${ordered.map((cluster) => `${cluster.name} (${cluster.location})`).join(", ")}`);
  return ordered.map((cluster) => gkeCandidate(cluster, credentials, facts?.account));
}

/** Labels are a convenience: a workload that may not read them goes on without. */
async function addProjectLabels(
  layers: Layer[],
  project: string,
  credentials: GoogleCredentials,
  outside: Outside,
): Promise<void> {
  if (isSaid("WORKLOAD_NAMESPACE", layers) && isSaid("CLUSTER_NAME", layers)) return;
  try {
    const endpoint = outside.environment["CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"];
    layers.push(
      projectLabelLayer(project, await projectLabels(project, { credentials, endpoint, fetch: outside.fetch })),
    );
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    log.debug(`project labels are left out: ${reasonOf(error)}`);
  }
}

async function ownKubeconfig(environment: Outside["environment"]): Promise<string | undefined> {
  const path = environment["HOME"] ? `${environment["HOME"]}/.kube/config` : undefined;
  const there = path && await Deno.stat(path).then((info) => info.isFile, () => false);
  return there ? path : undefined;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => made ??= make();
}
