import { type Fetch, request } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import type { GoogleCredentials } from "./credentials.ts";
import { headersFor, memberHint } from "./refusal.ts";
import * as v from "valibot";

const optionalText = v.optional(v.string());

/** The parts of a cluster that are used, https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters. */
const Cluster = v.object({
  name: v.pipe(v.string(), v.minLength(1)),
  location: v.pipe(v.string(), v.minLength(1)),
  status: optionalText,
  endpoint: optionalText,
  masterAuth: v.optional(v.object({ clusterCaCertificate: optionalText }), {}),
  resourceLabels: v.optional(v.record(v.string(), v.string()), {}),
  privateClusterConfig: v.optional(
    v.object({ privateEndpoint: optionalText, enablePrivateEndpoint: v.optional(v.boolean()) }),
    {},
  ),
  controlPlaneEndpointsConfig: v.optional(
    v.object({
      dnsEndpointConfig: v.optional(
        v.object({ endpoint: optionalText, allowExternalTraffic: v.optional(v.boolean()) }),
        {},
      ),
    }),
    {},
  ),
});
const Clusters = v.object({
  clusters: v.optional(v.array(Cluster), []),
  missingZones: v.optional(v.array(v.string()), []),
});

export type GkeCluster = v.InferOutput<typeof Cluster>;

export interface GkeOptions {
  credentials: GoogleCredentials;
  /** E-mail of the account behind them, for hints. */
  account?: string | undefined;
  /** @default {"https://container.googleapis.com/"} */
  endpoint?: string | undefined;
  fetch?: Fetch | undefined;
  onRetry?: ((error: Error, waitMs: number) => void) | undefined;
}

/** All clusters of a project; `missingZones` are those that did not answer Google itself. */
export async function listClusters(
  project: string,
  options: GkeOptions,
): Promise<{ clusters: GkeCluster[]; missingZones: string[] }> {
  const path = `v1/projects/${encodeURIComponent(project)}/locations/-/clusters`;
  const what = `list the GKE clusters of project ${project}`;
  return parseAs(Clusters, ...await get(path, what, project, options));
}

export async function getCluster(
  at: { project: string; location: string; name: string },
  options: GkeOptions,
): Promise<GkeCluster> {
  const [project, location, name] = [at.project, at.location, at.name].map(encodeURIComponent);
  const what = `read GKE cluster ${at.name} in ${at.location} of project ${at.project}`;
  return parseAs(
    Cluster,
    ...await get(`v1/projects/${project}/locations/${location}/clusters/${name}`, what, at.project, options),
  );
}

async function get(path: string, what: string, project: string, options: GkeOptions): Promise<[string, string]> {
  const url = new URL(path, options.endpoint ?? "https://container.googleapis.com/").href;
  const { text } = await request(url, {
    what,
    headers: await headersFor(options.credentials, project),
    fetch: options.fetch,
    onRetry: options.onRetry,
    fix: (status, answer) => fixFor(status, answer, project, options),
  });
  return [text, `${what} (GET ${url})`];
}

function fixFor(
  status: number,
  answer: string,
  project: string,
  { credentials, account }: GkeOptions,
): string | undefined {
  if (status === 403 && /SERVICE_DISABLED|has not been used|is disabled/.test(answer)) {
    return `gcloud services enable container.googleapis.com --project ${project}`;
  }
  if (status === 403) {
    return `the account lacks container.clusters.list and get; grant them: gcloud projects add-iam-policy-binding ${project} ` +
      `--member ${
        account ? `serviceAccount:${account}` : memberHint(credentials)
      } --role roles/container.clusterViewer`;
  }
  if (status === 401) return "the access token was refused: check the account's credentials and the machine's clock";
  if (status === 404) return "check PROJECT_ID, CLUSTER_LOCATION and CLUSTER_NAME";
  return undefined;
}
