import { type Cluster } from "./cluster.ts";
import { HGATE_NAMESPACE } from "./hgate.ts";

/** A replica of the gate that is not about to end. */
export interface GatePod {
  name: string;
  address: string;
  isReady: boolean;
  /** Of container hgate: as the node's engine knows it, and how often it was started again. */
  containerId: string;
  restarts: number;
}

interface Pod {
  metadata: { name: string; deletionTimestamp?: string };
  status: {
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: { name: string; containerID?: string; restartCount: number }[];
  };
}

export async function gatePods(cluster: Cluster): Promise<GatePod[]> {
  const { items } = await cluster.get<{ items: Pod[] }>("-n", HGATE_NAMESPACE, "pods", "-l", "app=hgate");
  return items.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata, status }) => {
    const hgate = status.containerStatuses?.find(({ name }) => name === "hgate");
    return {
      name: metadata.name,
      address: status.podIP ?? "",
      isReady: status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false,
      containerId: hgate?.containerID?.replace(/^\w+:\/\//, "") ?? "",
      restarts: hgate?.restartCount ?? 0,
    };
  });
}

/** What a replica says of itself on 8080. */
export function gateMetrics(cluster: Cluster, pod: GatePod): Promise<string> {
  return cluster.kubectl("get", "--raw", `/api/v1/namespaces/${HGATE_NAMESPACE}/pods/${pod.name}:8080/proxy/metrics`);
}

/** Sum of a metric over all replicas. @param labels those that a sample must have, e.g. `result="failed"` */
export async function gateMetric(cluster: Cluster, name: string, labels = ""): Promise<number> {
  const texts = await Promise.all((await gatePods(cluster)).map((pod) => gateMetrics(cluster, pod)));
  return metricIn(texts.join("\n"), name, labels);
}

/** Sum of the samples of a metric. */
export function metricIn(exposition: string, name: string, labels = ""): number {
  let sum = 0;
  for (const line of exposition.split("\n")) {
    const [, sampleName, itsLabels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (sampleName === name && itsLabels.includes(labels)) sum += Number(value);
  }
  return sum;
}
