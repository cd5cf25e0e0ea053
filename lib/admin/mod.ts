/** What an administrator asks for, as plans: what is there, what should be, the steps from one to the other, and back. */
export { type AdminContext, adminContext, type GoogleApiName, type Whereabouts } from "./context.ts";
export { differencesOf } from "./difference.ts";
export { kubeObject, kubeObjectGone } from "./kube_goals.ts";
export type { GoogleApis } from "./namespace/google_goals.ts";
export { namespaceSettings } from "./namespace/settings.ts";
export { type NamespacePlace, setUpNamespace } from "./namespace/setup.ts";
export { tearDownNamespace, type TeardownPlace } from "./namespace/teardown.ts";
export { hasFailed, type Outcome, type StepOutcome } from "./outcome.ts";
export { documentOf, endText, exitCodeOf, type OutputFormat, planText } from "./report.ts";
export { runPlan, type Witness } from "./run_plan.ts";
export { type Change, type Check, type Difference, type Goal, isGoal, type Plan, type Step } from "./step.ts";
export { registerService, type Timing } from "./register/register_service.ts";
export { readPorts, type RegisterSettings } from "./register/settings.ts";
export { readRegions, type RegionShare } from "./register/regions.ts";
export { unregisterService, type UnregisterSettings } from "./register/unregister_service.ts";
export { addService, type AddServiceSettings } from "./cloud_run/add_service.ts";
export { type Capture, CAPTURES } from "./cloud_run/krun_container.ts";
export { removeService, type RemoveServiceSettings } from "./cloud_run/remove_service.ts";
