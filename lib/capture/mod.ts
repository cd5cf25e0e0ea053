/** Transparent capture: rules of iptables that lead the app's traffic to the proxy, and what is used where they cannot be. */
export {
  applyCapture,
  type Capture,
  type CaptureOptions,
  type LookForIptables,
  lookOnce,
  type NoCapture,
  startCapture,
} from "./capture.ts";
export { type Backend, type Probe, probeBackends } from "./backend.ts";
export { type CommandOutside, IPTABLES_HELP, iptablesCommand } from "./command.ts";
export { CAPTURE_MODES, type CaptureDecision, type CaptureMode, decideCapture } from "./decide.ts";
export { captureSettingsHere, planRules, type Surroundings, surroundingsHere } from "./plan.ts";
export { dnsServers } from "./resolv_conf.ts";
export { type RuleSet, rulesFor } from "./rules.ts";
export { type CaptureSettings, captureSettings } from "./settings.ts";
export { type Run, runHere } from "./run.ts";
export { removeStaleRules } from "./stale.ts";
