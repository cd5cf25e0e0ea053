/** Which control plane a workload talks to, and what it trusts. */
export { type ControlPlane, controlPlaneOf, rootsOf } from "./control_plane.ts";
