/** Which control plane a workload talks to, and what it trusts. */
export { type MeshChange, meshChange, type MeshState } from "./change.ts";
export { type ControlPlane, controlPlaneOf, rootsOf } from "./control_plane.ts";
export { requireControlPlane } from "./reach.ts";
