/** Finding the cluster a workload belongs to, and what that cluster says of the mesh. */
export { discover, type Discovery, type Outside } from "./discover.ts";
export { orderClusters } from "./choose.ts";
export { connect, gkeCandidate } from "./connect.ts";
export { type MeshEnvWatch, watchMeshEnv } from "./watch_mesh_env.ts";
export { type Endpoint, endpointsOf } from "./endpoints.ts";
