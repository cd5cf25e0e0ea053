/** Where the doctor runs: it decides what can be reached and which account asks. */
export type Place = "laptop" | "krun" | "hgate" | "pod";

/**
 * A container of Cloud Run is krun's (https://cloud.google.com/run/docs/container-contract), and so is one with krun's token; a pod is
 * hgate's where manifests/hgate has set its directory. A VM or Cloud Shell counts as a laptop.
 */
export function placeOf(
  environment: Readonly<Record<string, string | undefined>>,
  hasKrunToken: boolean,
): Place {
  if (environment["K_SERVICE"] || environment["CLOUD_RUN_JOB"] || hasKrunToken) return "krun";
  if (!environment["KUBERNETES_SERVICE_HOST"]) return "laptop";
  return environment["HGATE_ENVOY_DIR"] ? "hgate" : "pod";
}

/** `from a laptop`, for people. */
export const PLACE_WORDS: Readonly<Record<Place, string>> = {
  laptop: "from outside the mesh",
  krun: "in krun's container",
  hgate: "in the gate's pod",
  pod: "in a pod of the cluster",
};
