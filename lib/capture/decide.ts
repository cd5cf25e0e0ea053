import { Problem, UsageError } from "../base/errors.ts";
import type { Backend, Probe } from "./backend.ts";

/** How the app's traffic is to get to the proxy. */
export type CaptureMode = "none" | "whitebox" | "auto" | "required";

export const CAPTURE_MODES: readonly CaptureMode[] = ["none", "whitebox", "auto", "required"];

export type CaptureDecision =
  | { readonly use: "iptables"; readonly backend: Backend }
  /** By proxy variables; `because` is one line for the log. */
  | { readonly use: "whitebox"; readonly because: string }
  | { readonly use: "none" };

/**
 * Whether rules are needed at all, before anything is looked at. `interceptionMode` is ISTIO_META_INTERCEPTION_MODE:
 * NONE asks for whitebox, as in the original.
 * @param proxyApart whether the proxy runs as a user of its own: rules tell it from the app by that
 * @returns undefined where it depends on what works here
 * @throws {UsageError} capture is required and refused at once, or TPROXY is asked for
 */
export function decideUnseen(
  mode: CaptureMode,
  interceptionMode?: string,
  proxyApart = true,
): Exclude<CaptureDecision, { use: "iptables" }> | undefined {
  const refused = interceptionMode?.toUpperCase() === "NONE";
  if (interceptionMode?.toUpperCase() === "TPROXY") {
    throw new UsageError({
      tried: "capture the app's traffic as ISTIO_META_INTERCEPTION_MODE=TPROXY asks",
      got: "krun's rules redirect and have no TPROXY",
      fix: "ISTIO_META_INTERCEPTION_MODE=REDIRECT, or NONE for whitebox",
    });
  }
  if (mode === "required" && refused) {
    throw new UsageError({
      tried: "capture the app's traffic by iptables (--capture=required)",
      got: "ISTIO_META_INTERCEPTION_MODE=NONE, which asks for none",
      fix: "leave one of the two out",
    });
  }
  if (mode === "none") return { use: "none" };
  if (mode === "whitebox") return { use: "whitebox", because: "--capture=whitebox asks for it" };
  if (refused) return { use: "whitebox", because: "ISTIO_META_INTERCEPTION_MODE=NONE asks for it" };
  return proxyApart
    ? undefined
    : cannotCapture(mode, "the app and the proxy run as one user, so that no rule can tell them apart");
}

/**
 * What a mode and a probe come to.
 * @throws {Problem} capture is required and cannot be had
 */
export function decideCapture(mode: CaptureMode, probe: Probe, interceptionMode?: string): CaptureDecision {
  const unseen = decideUnseen(mode, interceptionMode);
  if (unseen) return unseen;
  return "backend" in probe ? { use: "iptables", backend: probe.backend } : cannotCapture(mode, probe.because);
}

/** What is left where rules cannot be had. @throws {Problem} they are required */
export function cannotCapture(mode: CaptureMode, because: string): { use: "whitebox"; because: string } {
  const whitebox = { use: "whitebox" as const, because: `iptables cannot be used: ${because}` };
  if (mode !== "required") return whitebox;
  throw new Problem({
    tried: "capture the app's traffic by iptables (--capture=required)",
    got: because,
    fix: "run as root with NET_ADMIN and iptables in the image (Cloud Run: second generation), or --capture=whitebox",
  });
}
