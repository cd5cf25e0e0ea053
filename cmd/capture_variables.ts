/** What krun's capture differs in from Istio's defaults: names of the mesh are answered by the agent (15053) unless that is switched off. */
export function captureVariables(
  environment: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return { ISTIO_META_DNS_CAPTURE: "true", ...environment };
}
