import type { World } from "./world.ts";

/** A kubeconfig, as JSON, for the world's cluster: the workload's Google account by an access token. */
export function kubeconfigOf(world: World, namespace: string): string {
  const { authority, origin } = world.kubernetes;
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{
      name: "world",
      cluster: { server: origin, "certificate-authority-data": btoa(authority.certificatePem) },
    }],
    users: [{ name: "world", user: { token: world.accessTokens.issue(world.metadata.state.email) } }],
    contexts: [{ name: "world", context: { cluster: "world", user: "world", namespace } }],
    "current-context": "world",
  });
}
