import { Problem, UsageError } from "../base/errors.ts";
import type { Fetch } from "../base/http.ts";
import {
  findCredentials,
  type GcloudConfig,
  gcloudDirectory,
  type GoogleCredentials,
  type GoogleRest,
  type IdTokenSource,
  MetadataServer,
  readGcloudConfig,
} from "../gcp/mod.ts";
import { inClusterAccess, KubeClient, readKubeconfig } from "../kube/mod.ts";
import { googleCluster } from "./google_cluster.ts";

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
  /** `--project`, PROJECT_ID, GOOGLE_CLOUD_PROJECT, gcloud's core/project. @throws {UsageError} none */
  project(): Promise<string>;
  /** `--region`, REGION, gcloud's run/region, its compute/region. @throws {UsageError} none */
  region(): Promise<string>;
  /** Application default credentials. @throws {Problem} none */
  credentials(): Promise<GoogleCredentials & IdTokenSource>;
  /** `--cluster`, else KUBECONFIG, else `~/.kube/config`, else the pod's own, else gcloud's container/cluster. @throws {Problem} none */
  kube(): Promise<KubeClient>;
  /** Where kubectl would look without `--namespace`: as the context of the kubeconfig has it, or the pod. @default "default" */
  namespace(): Promise<string>;
  /** One of Google's APIs, where `CLOUDSDK_API_ENDPOINT_OVERRIDES_<NAME>` or gcloud has it. @throws {Problem} no credentials */
  rest(api: GoogleApiName): Promise<GoogleRest>;
}

export function adminContext(
  where: Whereabouts,
  outside: { environment: Readonly<Record<string, string | undefined>>; fetch?: Fetch | undefined },
): AdminContext {
  const { environment, fetch } = outside;
  const undo = new DisposableStack();
  const gcloud = once(() => readGcloudConfig(environment));
  const metadata = new MetadataServer({ host: environment["GCE_METADATA_HOST"], fetch });
  const credentials = once(async () => {
    const found = await findCredentials({
      file: environment["GOOGLE_APPLICATION_CREDENTIALS"],
      gcloudDirectory: gcloudDirectory(environment),
      metadata,
      fetch,
    });
    if (found.origin === metadata.origin && !await isThere(metadata)) throw notSignedIn();
    return found;
  });
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
  const rest = async (api: GoogleApiName): Promise<GoogleRest> => ({
    credentials: await credentials(),
    endpoint: (await gcloud()).get(`api_endpoint_overrides/${api}`),
    fetch,
  });
  const gke = async (name: string) =>
    undo.use(
      await googleCluster({
        name,
        location: where.location ?? environment["CLUSTER_LOCATION"],
        usual: [(await gcloud()).get("compute/zone"), (await gcloud()).get("compute/region")],
        project: await project(),
      }, await rest("container")),
    );
  const access = once(async () => {
    const path = environment["KUBECONFIG"] || await kubeconfigAtHome(environment);
    if (!path) return await inClusterAccess(environment);
    const googleToken = async () => await (await credentials()).accessToken();
    return await readKubeconfig(path, { context: where.context, environment, googleToken });
  });
  const kube = once(async () => {
    if (where.cluster) return await gke(where.cluster);
    const found = await access();
    if (found) return undo.use(new KubeClient(found.access, { fetch }));
    const named = (await gcloud()).get("container/cluster");
    if (named) return await gke(named);
    throw new Problem({
      tried: "find the cluster",
      got: "no --cluster, no KUBECONFIG, no ~/.kube/config, no pod's account, and no container/cluster of gcloud's",
      fix: "--cluster NAME, or: gcloud container clusters get-credentials NAME --location LOCATION",
    });
  });
  const namespace = async () => (where.cluster ? undefined : (await access())?.namespace) ?? "default";
  return {
    environment,
    fetch,
    project,
    region,
    credentials,
    kube,
    namespace,
    rest,
    [Symbol.dispose]: () => undo.dispose(),
  };
}

async function kubeconfigAtHome({ HOME }: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  const path = HOME ? `${HOME}/.kube/config` : undefined;
  return path && await Deno.stat(path).then(({ isFile }) => isFile, () => false) ? path : undefined;
}

/** Something answers there as the metadata server does. */
async function isThere(metadata: MetadataServer): Promise<boolean> {
  return await metadata.facts().catch(() => undefined) !== undefined;
}

function notSignedIn(): Problem {
  return new Problem({
    tried: "find Google credentials",
    got: "no GOOGLE_APPLICATION_CREDENTIALS, no application default credentials of gcloud's, and no metadata server",
    fix: "gcloud auth application-default login (gcloud auth login signs in gcloud alone)",
  });
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
