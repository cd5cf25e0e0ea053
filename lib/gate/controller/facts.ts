import type { MeshFacts } from "./mesh_env.ts";

/** The part of a metadata server that is asked. */
export interface FactSource {
  facts(): Promise<{ projectId?: string | undefined; projectNumber?: string | undefined } | undefined>;
  cluster(): Promise<{ name?: string | undefined; location?: string | undefined }>;
}

/** Facts for mesh-env: what settings say, and what the metadata server says where they do not. It is asked only where something is missing. */
export async function readMeshFacts(given: MeshFacts, metadata: FactSource): Promise<MeshFacts> {
  const isWhole = given.projectId && given.projectNumber && given.clusterName && given.clusterLocation;
  if (isWhole) return given;
  const [instance, cluster] = await Promise.all([metadata.facts(), metadata.cluster()]);
  return {
    ...given,
    projectId: given.projectId ?? instance?.projectId,
    // a number of another project would be worse than none
    projectNumber: given.projectNumber ??
      (!given.projectId || given.projectId === instance?.projectId ? instance?.projectNumber : undefined),
    clusterName: given.clusterName ?? cluster.name,
    clusterLocation: given.clusterLocation ?? cluster.location,
  };
}
