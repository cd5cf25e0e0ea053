/** What is wrong with a mesh and its services, and which command mends it. */
export { type DoctorOptions, examine, type Report } from "./examine.ts";
export { type Finding, type State } from "./finding.ts";
export { doctorExitCode, doctorText } from "./report.ts";
