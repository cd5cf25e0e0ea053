import { Problem, UsageError } from "../base/errors.ts";
import type { Fetch } from "../base/http.ts";
import {
  findCredentials,
  type GcloudConfig,
  gcloudDirectory,
  getCluster,
  type GoogleCredentials,
  type IdTokenSource,
  MetadataServer,
  readGcloudConfig,
} from "../gcp/mod.ts";
import { connect, gkeCandidate } from "../cluster/mod.ts";
import { inClusterAccess, KubeClient, readKubeconfig } from "../kube/mod.ts";

/** Names of Google's APIs as gcloud's endpoint overrides have them. */
export type GoogleApiName = "cloudresourcemanager" | "container" | "iam" | "run" | "serviceusage";

/** What of the command line says where things are. */
export interface Whereabouts {
  project?: string | undefined;
  region?: string | undefined;
  cluster?: string | undefined;
  /** Of the cluster, region or zone. */
  location?: string | undefined;
  /** A context of the kubeconfig. */
  context?: string | undefined;
}

/** The world as an admin command sees it: each part is found when it is first asked for, and once. */
export interface AdminContext extends Disposable {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly fetch: Fetch | undefined;
  /** `--project`, gcloud's, the credentials' own. @throws {UsageError} none */
  project(): Promise<string>;
  /** `--region`, gcloud's. @throws {UsageError} none */
  region(): Promise<string>;
  credentials(): Promise<GoogleCredentials & IdTokenSource>;
  /** `--cluster`, else KUBECONFIG, else `~/.kube/config`, else the pod's own. @throws {Problem} none */
  kube(): Promise<KubeClient>;
  /** The environment's `CLOUDSDK_API_ENDPOINT_OVERRIDES_<NAME>`, else gcloud's; `undefined` for Google's own. */
  endpoint(api: GoogleApiName): Promise<string | undefined>;
}

export function adminContext(
  where: Whereabouts,
  outside: { environment: Readonly<Record<string, string | undefined>>; fetch?: Fetch | undefined },
): AdminContext {
  const { environment, fetch } = outside;
  const undo = new DisposableStack();
  const gcloud = once(() => readGcloudConfig(environment));
  const metadata = new MetadataServer({ host: environment["GCE_METADATA_HOST"], fetch });
  const credentials = once(() =>
    findCredentials({
      file: environment["GOOGLE_APPLICATION_CREDENTIALS"],
      gcloudDirectory: gcloudDirectory(environment),
      metadata,
      fetch,
    })
  );
  const project = once(async () => {
    const said = where.project ?? environment["PROJECT_ID"] ?? environment["GOOGLE_CLOUD_PROJECT"] ??
      (await gcloud()).get("core/project");
    if (said) return said;
    throw nothingSays("the Google Cloud project", await gcloud(), "--project, or: gcloud config set project PROJECT");
  });
  const region = once(async () => {
    const said = where.region ?? environment["REGION"] ?? (await gcloud()).get("run/region") ??
      (await gcloud()).get("compute/region");
    if (said) return said;
    throw nothingSays("Cloud Run's region", await gcloud(), "--region, or: gcloud config set run/region REGION");
  });
  const endpoint = async (api: GoogleApiName) => (await gcloud()).get(`api_endpoint_overrides/${api}`);
  const gke = async (name: string) => {
    const location = where.location ?? environment["CLUSTER_LOCATION"] ?? (await gcloud()).get("compute/zone") ??
      (await gcloud()).get("compute/region");
    if (!location) throw new UsageError({ tried: `find cluster ${name}`, got: "no location", fix: "--location" });
    const at = { project: await project(), location, name };
    const found = await getCluster(at, {
      credentials: await credentials(),
      endpoint: await endpoint("container"),
      fetch,
    });
    const candidate = gkeCandidate(found, await credentials(), undefined);
    const answers = (kube: KubeClient, limits: { signal: AbortSignal; tries: number; timeoutMs: number }) =>
      kube.request("/version", { what: `reach ${kube.access.origin}`, ...limits });
    return (await connect([candidate], answers, { budgetMs: 10_000, fetch })).kube;
  };
  const kube = once(async () => {
    if (where.cluster) return undo.use(await gke(where.cluster));
    const path = environment["KUBECONFIG"] ?? await kubeconfigAtHome(environment);
    const pod = path ? undefined : await inClusterAccess(environment);
    if (pod) return undo.use(new KubeClient(pod.access, { fetch }));
    if (path) {
      const googleToken = async () => await (await credentials()).accessToken();
      const { access } = await readKubeconfig(path, { context: where.context, environment, googleToken });
      return undo.use(new KubeClient(access, { fetch }));
    }
    throw new Problem({
      tried: "find the cluster",
      got: "no --cluster, no KUBECONFIG, no ~/.kube/config and no pod's account",
      fix: "--cluster NAME --location LOCATION, or: gcloud container clusters get-credentials NAME",
    });
  });
  return {
    environment,
    fetch,
    project,
    region,
    credentials,
    kube,
    endpoint,
    [Symbol.dispose]: () => undo.dispose(),
  };
}

async function kubeconfigAtHome({ HOME }: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  const path = HOME ? `${HOME}/.kube/config` : undefined;
  return path && await Deno.stat(path).then(({ isFile }) => isFile, () => false) ? path : undefined;
}

function nothingSays(what: string, { origin }: GcloudConfig, fix: string): UsageError {
  return new UsageError({ tried: `find ${what}`, got: `neither the command line nor ${origin} says it`, fix });
}

/** A failure is not kept: the next who asks tries again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () =>
    made ??= make().catch((error) => {
      made = undefined;
      throw error;
    });
}
