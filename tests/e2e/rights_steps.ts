import assert from "node:assert/strict";
import { Cluster } from "./cluster.ts";
import { NAMESPACE } from "./objects.ts";
import type { E2eWorld } from "./world.ts";

/** The account that krun runs as can do what the original's Role lets it do, and nothing beside. */
export async function credentialRights(world: E2eWorld): Promise<void> {
  const runner = new Cluster(world.runnerKubeconfig);
  const may = async (...words: string[]) =>
    (await runner.tryKubectl("auth", "can-i", ...words)).stdout.trim() === "yes";
  assert.ok(await may("create", "serviceaccounts/default", "--subresource=token", "-n", NAMESPACE));
  assert.ok(await may("get", "configmaps/mesh-env", "-n", NAMESPACE));
  for (
    const words of [
      ["create", "serviceaccounts/echo", "--subresource=token", "-n", NAMESPACE],
      ["create", "serviceaccounts/default", "--subresource=token", "-n", "istio-system"],
      ["list", "configmaps", "-n", NAMESPACE],
      ["get", "configmaps/istio-ca-root-cert", "-n", NAMESPACE],
      ["get", "configmaps/mesh-env", "-n", "istio-system"],
      ["get", "secrets", "-n", NAMESPACE],
      ["list", "pods", "-n", NAMESPACE],
      ["list", "services", "--all-namespaces"],
    ]
  ) {
    assert.equal(await may(...words), false, words.join(" "));
  }
}
