import type { Layer, Table } from "./resolve.ts";
import { TABLE } from "./table.ts";
import { UsageError } from "../base/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Flags as parsed by the command line, by long name. */
export function flagLayer(
  flags: Readonly<Record<string, string | boolean | undefined>>,
  table: Table = TABLE,
): Layer {
  const values: Record<string, string> = {};
  for (const setting of Object.values(table)) {
    const value = setting.flag === undefined ? undefined : flags[setting.flag];
    if (value !== undefined) values[setting.variable] = String(value);
  }
  return { source: "flag", values };
}

/**
 * The environment, and what Cloud Run's own variables imply (`K_SERVICE`, `PORT`, `CLOUD_RUN_JOB`),
 * https://cloud.google.com/run/docs/container-contract.
 */
export function environmentLayers(environment: Environment): Layer[] {
  const service = environment["K_SERVICE"];
  const job = service ? undefined : environment["CLOUD_RUN_JOB"];
  return [
    { source: "environment", values: environment },
    { source: "environment", origin: "K_SERVICE", values: { WORKLOAD_NAME: service } },
    // A task of a job listens on nothing, and nobody can send to it.
    {
      source: "environment",
      origin: "CLOUD_RUN_JOB",
      values: job ? { WORKLOAD_NAME: job, KRUN_TUNNEL: "none", "startupProbe.tcp": "-" } : {},
    },
    // On Cloud Run PORT is the port that the front end sends to, whatever the service was deployed with.
    {
      source: "environment",
      origin: "PORT",
      values: { KRUN_TUNNEL_PORT: service ? environment["PORT"] : undefined },
    },
  ];
}

/** What the metadata server says of this instance. */
export interface InstanceFacts {
  address: string;
  projectId?: string | undefined;
  projectNumber?: string | undefined;
  region?: string | undefined;
  instanceId?: string | undefined;
  /** E-mail of the Google account. */
  account?: string | undefined;
}

/** The account `k8s-NS@…` names the namespace; the revision, or a job's execution and task, and the instance's id name the pod. */
export function metadataLayers(facts: InstanceFacts, environment: Environment): Layer[] {
  const task = [environment["CLOUD_RUN_EXECUTION"], environment["CLOUD_RUN_TASK_INDEX"]].filter(Boolean).join("-");
  const revision = environment["K_REVISION"] || task;
  return [
    {
      source: "metadata server",
      origin: facts.address,
      values: {
        PROJECT_ID: facts.projectId,
        PROJECT_NUMBER: facts.projectNumber,
        REGION: facts.region,
        POD_NAME: revision && facts.instanceId ? `${revision}-${facts.instanceId.slice(0, 8)}` : undefined,
      },
    },
    {
      source: "metadata server",
      origin: `account ${facts.account}`,
      values: { WORKLOAD_NAMESPACE: namespaceOfAccount(facts.account) },
    },
  ];
}

/** `k8s-fortio@p.iam.gserviceaccount.com` → `fortio` */
export function namespaceOfAccount(email: string | undefined): string | undefined {
  return /^k8s-([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)@/.exec(email ?? "")?.[1];
}

/** A context named as gcloud names them, `gke_PROJECT_LOCATION_CLUSTER`, tells which cluster it is. */
export function kubeconfigLayer(kubeconfig: { path: string; context: string; namespace?: string | undefined }): Layer {
  const gke = /^gke_([^_]+)_([^_]+)_(.+)$/.exec(kubeconfig.context);
  return {
    source: "kubeconfig",
    origin: `${kubeconfig.path}, context ${kubeconfig.context}`,
    values: {
      WORKLOAD_NAMESPACE: kubeconfig.namespace,
      PROJECT_ID: gke?.[1],
      CLUSTER_LOCATION: gke?.[2],
      CLUSTER_NAME: gke?.[3],
    },
  };
}

export function inClusterLayer(namespace: string, directory: string): Layer {
  return { source: "in-cluster account", origin: directory, values: { WORKLOAD_NAMESPACE: namespace } };
}

/** Labels of the Google Cloud project that set a default for all its workloads. */
export function projectLabelLayer(project: string, labels: Readonly<Record<string, string>>): Layer {
  return {
    source: "project label",
    origin: project,
    values: {
      WORKLOAD_NAMESPACE: labels["mesh-namespace"],
      CLUSTER_NAME: labels["mesh-cluster-name"],
      CLUSTER_LOCATION: labels["mesh-cluster-location"],
    },
  };
}

export function gkeLayer(cluster: { project: string; location: string; name: string }): Layer {
  return {
    source: "GKE API",
    origin: `projects/${cluster.project}/locations/${cluster.location}/clusters/${cluster.name}`,
    values: { PROJECT_ID: cluster.project, CLUSTER_LOCATION: cluster.location, CLUSTER_NAME: cluster.name },
  };
}

export function meshEnvLayer(
  data: Readonly<Record<string, string>>,
  of: "namespace" | "istio-system",
  origin: string,
): Layer {
  return {
    source: of === "namespace" ? "mesh-env of the namespace" : "mesh-env of istio-system",
    origin,
    values: data,
  };
}

/** A cluster as {@link parseMesh} reads it from `MESH`; what it does not name is chosen. */
export type MeshAddress =
  | { kind: "gke"; project: string; location?: string | undefined; cluster?: string | undefined }
  | { kind: "file"; path: string };

/** Reads `MESH`. @throws {UsageError} for any other form */
export function parseMesh(value: string): MeshAddress {
  const gke = /^gke:\/\/([^/]+)(?:\/([^/]+)\/([^/]+))?\/?$/.exec(value) ??
    /^https:\/\/container\.googleapis\.com\/v1\/projects\/([^/]+)\/(?:locations|zones)\/([^/]+)\/clusters\/([^/]+)\/?$/
      .exec(value);
  if (gke) return { kind: "gke", project: gke[1]!, location: gke[2], cluster: gke[3] };
  const file = /^file:\/\/(\/.*)$/.exec(value);
  if (file) return { kind: "file", path: file[1]! };
  const traffic = value.startsWith("td:") ? ": Traffic Director is not served by this version" : "";
  throw new UsageError({
    tried: "read setting MESH",
    got: `"${value}"${traffic}`,
    fix: "give gke://PROJECT, gke://PROJECT/LOCATION/CLUSTER, " +
      "https://container.googleapis.com/v1/projects/PROJECT/locations/LOCATION/clusters/CLUSTER or file:///PATH",
  });
}
