/** Ways to a Kubernetes API server, the few calls that krun needs of it, and what a controller does with it. */
export {
  apply,
  type ApplyOptions,
  ConflictError,
  FIELD_MANAGER,
  type FieldConflict,
  get,
  keysOfOthers,
  ownedData,
  remove,
} from "./apply.ts";
export { type KubeAccess, KubeClient, type ServiceAccountToken } from "./client.ts";
export { type NamespacedKinds, namespacedKinds } from "./discovery.ts";
export { follow, type Followed, type FollowOptions, type FollowStatus, listAll } from "./follow.ts";
export { inClusterAccess } from "./in_cluster.ts";
export { readKubeconfig } from "./kubeconfig.ts";
export { loadBalancerAddress } from "./load_balancer.ts";
export { keepLease, type Lease, type LeaseOptions } from "./lease.ts";
export {
  annotation,
  keyOf,
  type Kind,
  type KubeObject,
  label,
  nameOf,
  type ObjectMeta,
  pathOf,
  type Resource,
  RESOURCES,
} from "./objects.ts";
export { GoneError, type Selection } from "./watch.ts";
