/** Ways to a Kubernetes API server, and the few calls that krun needs of it. */
export { type KubeAccess, KubeClient, type ServiceAccountToken } from "./client.ts";
export { inClusterAccess } from "./in_cluster.ts";
export { readKubeconfig } from "./kubeconfig.ts";
