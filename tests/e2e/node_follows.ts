import type { Cluster } from "./cluster.ts";
import { NAMESPACE } from "./objects.ts";
import { eventually } from "./process.ts";

/**
 * Waits until the cluster's controllers and its nodes' proxies hear of changes again, after the API server was away: each tries again
 * with a back-off of its own, and for as long as it has not, connections go to pods that have gone.
 */
export async function untilNodesFollow(cluster: Cluster): Promise<void> {
  const name = `follows-${crypto.randomUUID().slice(0, 8)}`;
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: NAMESPACE },
    spec: { selector: { app: "front-end" }, ports: [{ name: "https", port: 443, targetPort: 8443 }] },
  };
  await cluster.apply(service);
  try {
    const { spec } = await cluster.get<{ spec: { clusterIP: string } }>("-n", NAMESPACE, "service", name);
    await eventually("a new Service's address in the node's rules", async () => {
      const { code } = await cluster.exec(
        ...[NAMESPACE, "deployment/front-end", "front-end", "curl", "-sSk", "-m", "1"] as const,
        `https://${spec.clusterIP}/`,
      );
      return code === 0 || undefined;
    }, 90_000);
  } finally {
    await cluster.remove(service);
  }
}
