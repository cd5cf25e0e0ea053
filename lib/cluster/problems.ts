import { Problem } from "../base/errors.ts";

export function noCluster(metadataAddress: string): Problem {
  return new Problem({
    tried: "find a cluster",
    got: `no KUBECONFIG, no ~/.kube/config, not in a pod, no PROJECT_ID, and no metadata server at ${metadataAddress}`,
    fix:
      "set KUBECONFIG, or PROJECT_ID with GOOGLE_APPLICATION_CREDENTIALS, or MESH; XDS_ADDR=- runs the app without a mesh",
  });
}

export function noneFits(
  project: string,
  clusters: readonly { name: string; location: string; status?: string | undefined }[],
  name: string | undefined,
  location: string | undefined,
): Problem {
  const seen = clusters.map((cluster) => `${cluster.name} in ${cluster.location} (${cluster.status ?? "no status"})`);
  const wanted = [name && `named ${name}`, location && `in ${location}`].filter(Boolean).join(" ");
  return new Problem({
    tried: `choose a RUNNING GKE cluster ${wanted ? `${wanted} ` : ""}in project ${project}`,
    got: seen.length > 0 ? seen.join(", ") : "no cluster at all",
    fix: "check PROJECT_ID, CLUSTER_NAME and CLUSTER_LOCATION, or: gcloud container clusters list --project " + project,
  });
}
