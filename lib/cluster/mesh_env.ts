import { HttpError } from "../base/http.ts";
import type { KubeClient } from "../kube/mod.ts";
import { type Layer, meshEnvLayer } from "../settings/mod.ts";

/** The config map that the gate publishes; a namespace's own copy wins over istio-system's. */
export const MESH_ENV = "mesh-env";
export const ROOT_NAMESPACE = "istio-system";

/**
 * Reads both copies at once. A copy that may not be read is passed over where the other can be.
 * @returns a layer for each copy there is, the namespace's own first
 * @throws {HttpError} neither can be read and one of them is refused  {UnreachableError} the server does not answer
 */
export async function readMeshEnv(
  kube: KubeClient,
  namespace: string,
  call: { signal?: AbortSignal; tries?: number; timeoutMs?: number } = {},
): Promise<Layer[]> {
  const places = namespace === ROOT_NAMESPACE ? [ROOT_NAMESPACE] : [namespace, ROOT_NAMESPACE];
  const answers = await Promise.allSettled(places.map((place) => kube.configMap(place, MESH_ENV, call)));
  const layers: Layer[] = [];
  let refused: unknown;
  for (const [at, answer] of answers.entries()) {
    const place = places[at]!;
    if (answer.status === "rejected") {
      const isRefusal = answer.reason instanceof HttpError && answer.reason.status === 403;
      if (!isRefusal) throw answer.reason;
      refused ??= answer.reason;
    } else if (answer.value) {
      layers.push(
        meshEnvLayer(answer.value, place === ROOT_NAMESPACE ? "istio-system" : "namespace", `${place}/${MESH_ENV}`),
      );
    }
  }
  if (layers.length === 0 && refused) throw refused;
  return layers;
}
