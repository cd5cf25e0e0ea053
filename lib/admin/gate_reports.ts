import { reasonOf } from "../base/errors.ts";
import { HttpError } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import { type KubeClient, type KubeObject, listAll, pathOf, RESOURCES } from "../kube/mod.ts";
import * as v from "valibot";

/** What a replica of the gate says at `/debug/routes`, as far as it is looked at. */
export const GateReport = v.object({
  /** Why it takes no streams; `null` where it does. */
  notReady: v.nullable(v.string()),
  routes: v.array(
    v.object({
      kind: v.string(),
      service: v.string(),
      names: v.array(v.string()),
      to: v.string(),
      open: v.number(),
    }),
  ),
  problems: v.array(v.object({ object: v.string(), problem: v.string() })),
});
export type GateReport = v.InferOutput<typeof GateReport>;

const Status = v.object({
  conditions: v.array(v.looseObject({ type: v.string(), status: v.string() })),
});

/** Of the gate's pods, as manifests/hgate has them. */
export const GATE_PODS = "app=hgate";
/** Of their status. */
export const GATE_STATUS_PORT = 8_080;

/**
 * What all replicas that are ready say, asked through the API server.
 * @returns why it cannot be looked at, where that will not change by asking again: no right to, or no gate
 * @throws {Problem} it could not be had just now
 */
export async function gateReports(
  kube: KubeClient,
  namespace: string,
  signal?: AbortSignal,
): Promise<GateReport[] | string> {
  try {
    const { items } = await listAll(kube, { resource: RESOURCES.Pod, namespace, labelSelector: GATE_PODS }, { signal });
    const ready = items.filter(isReady);
    if (ready.length === 0) return `no pod of the gate is ready in ${namespace}`;
    return await Promise.all(ready.map(({ metadata: { name } }) => gateReport(kube, namespace, name, signal)));
  } catch (error) {
    const isRefused = error instanceof HttpError && (error.status === 403 || error.status === 404);
    if (isRefused) return reasonOf(error);
    throw error;
  }
}

/** What one replica says: https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/#manually-constructing-apiserver-proxy-urls */
export async function gateReport(
  kube: KubeClient,
  namespace: string,
  pod: string,
  signal?: AbortSignal,
): Promise<GateReport> {
  const what = `ask pod ${namespace}/${pod} for its routes through ${kube.access.origin}`;
  const path = `${pathOf(RESOURCES.Pod, namespace, pod)}:${GATE_STATUS_PORT}/proxy/debug/routes`;
  const fix = (status: number) =>
    status === 403 ? `kubectl -n ${namespace} exec deployment/hgate -c hgate -- hgate routes` : undefined;
  const { text } = await kube.request(path, { what, tries: 2, fix, ...(signal ? { signal } : {}) });
  return parseAs(GateReport, text, what);
}

function isReady(pod: KubeObject): boolean {
  const status = v.safeParse(Status, pod["status"]);
  const isEnding = "deletionTimestamp" in pod.metadata;
  return !isEnding && status.success &&
    status.output.conditions.some(({ type, status }) => type === "Ready" && status === "True");
}
