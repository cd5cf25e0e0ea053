/** What the gate makes of the cluster: routes, mesh-env, registrations. */
export type { CloudRun, CloudRunService } from "./cloud_run.ts";
export { type Controller, type ControllerOptions, startController } from "./controller.ts";
export { type FactSource, readMeshFacts } from "./facts.ts";
export type { MeshFacts } from "./mesh_env.ts";
export { roles, type Rule, RULES } from "./rights.ts";
