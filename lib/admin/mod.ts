/** What an administrator asks for, as plans: what is there, what should be, the steps from one to the other, and back. */
export { type AdminContext, adminContext } from "./context.ts";
export type { GoogleApis } from "./namespace/google_goals.ts";
export { namespaceSettings } from "./namespace/settings.ts";
export { type NamespacePlace, setUpNamespace } from "./namespace/setup.ts";
export { tearDownNamespace, type TeardownPlace } from "./namespace/teardown.ts";
export { hasFailed, type Outcome } from "./outcome.ts";
export { documentOf, endText, exitCodeOf, type OutputFormat, planText, stepText } from "./report.ts";
export { runPlan, type Witness } from "./run_plan.ts";
export { type Change, type Check, type Difference, type Goal, type Plan, type Step } from "./step.ts";
export { registerService } from "./register/register_service.ts";
export { readPorts } from "./register/settings.ts";
export { readRegions } from "./register/regions.ts";
export { unregisterService } from "./register/unregister_service.ts";
export { addService } from "./cloud_run/add_service.ts";
export { deploy, deployAsCommands, type DeploySettings } from "./cloud_run/deploy.ts";
export { shellText } from "./cloud_run/deploy_command.ts";
export { type Capture, CAPTURES } from "./cloud_run/krun_container.ts";
export { removeService } from "./cloud_run/remove_service.ts";
