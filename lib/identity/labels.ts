import type { Settings } from "../settings/mod.ts";

/** Labels of the workload as a pod would have them: selectors of Sidecar, PeerAuthentication and telemetry match these. */
export function podLabels(settings: Settings): Record<string, string> {
  const { workload, region, others } = settings;
  return {
    app: workload,
    ...(settings.gatewayName ? { istio: settings.gatewayName } : {}),
    "service.istio.io/canonical-name": workload,
    "service.istio.io/canonical-revision": others["K_REVISION"] ?? "latest",
    "security.istio.io/tlsMode": "istio",
    // The name by which Istio takes a locality from labels instead of asking the platform.
    ...(region ? { "istio-locality": region } : {}),
  };
}

/** One `key="value"` line each, as the downward API writes them (values quoted as in Go). */
export function serializeLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}\n`).join("");
}
