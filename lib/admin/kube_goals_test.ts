import assert from "node:assert/strict";
import { createAuthority } from "../../tests/emulators/certificates.ts";
import { type KubernetesEmulator, startKubernetes } from "../../tests/emulators/kubernetes.ts";
import { Secret } from "../base/secret.ts";
import { KubeClient, type KubeObject } from "../kube/mod.ts";
import { kubeObject, kubeObjectGone } from "./kube_goals.ts";
import type { Goal } from "./step.ts";

const authority = createAuthority("cluster-ca");
const { signal } = new AbortController();
const OURS = { "app.kubernetes.io/managed-by": "cloud-run-mesh" };
const MAP: KubeObject = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "m", namespace: "n", labels: OURS },
  data: { A: "ours" },
};
const PERSONS = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "m", namespace: "n" }, data: { B: "theirs" } };

async function withServer(test: (server: KubernetesEmulator, kube: KubeClient) => Promise<void>): Promise<void> {
  const permissions = [{ subject: "jane" }];
  await using server = await startKubernetes({ authority, tokens: { t: "jane" }, permissions });
  using kube = new KubeClient({
    origin: "the emulator",
    server: server.origin,
    ca: authority.certificatePem,
    authorization: () => Promise.resolve(new Secret("Bearer t")),
  });
  await test(server, kube);
}

const reach = async (goal: Goal) => await (await goal.plan(signal))?.apply(signal);
const stored = ({ objects }: KubernetesEmulator) => objects.row("configmaps", "n", "m")?.object;

Deno.test("object: made with our label, and gone with all of it", async () => {
  await withServer(async (server, kube) => {
    await reach(kubeObject(kube, MAP));
    assert.deepEqual(stored(server)!.metadata["labels"], OURS);
    assert.equal(await kubeObject(kube, MAP).plan(signal), undefined);
    await reach(kubeObjectGone(kube, MAP));
    assert.equal(stored(server), undefined);
    assert.equal(await kubeObjectGone(kube, MAP).plan(signal), undefined);
  });
});

Deno.test("object: a person's gets our fields without our label, loses them again, and stays", async () => {
  await withServer(async (server, kube) => {
    const before = server.objects.put("configmaps", PERSONS, "kubectl");
    await reach(kubeObject(kube, MAP));
    assert.deepEqual([stored(server)!["data"], stored(server)!.metadata["labels"]], [
      { A: "ours", B: "theirs" },
      undefined,
    ]);
    assert.equal(await kubeObject(kube, MAP).plan(signal), undefined);
    await reach(kubeObjectGone(kube, MAP));
    const { resourceVersion: _, ...metadata } = stored(server)!.metadata;
    assert.deepEqual({
      ...stored(server)!,
      metadata: { ...metadata, resourceVersion: before.metadata.resourceVersion },
    }, before);
  });
});

Deno.test("object: one that a person makes between plan and apply is the person's", async () => {
  await withServer(async (server, kube) => {
    const change = await kubeObject(kube, MAP).plan(signal);
    assert.equal(change!.action, "create");
    server.objects.put("configmaps", PERSONS, "kubectl");
    await change!.apply(signal);
    assert.equal(stored(server)!.metadata["labels"], undefined);
    await reach(kubeObjectGone(kube, MAP));
    assert.deepEqual(stored(server)!["data"], { B: "theirs" });
  });
});

Deno.test("object: a kind that is not served is said with what brings it", async () => {
  await withServer(async (server, kube) => {
    server.state.missingKinds = new Set(["sidecars.networking.istio.io", "httproutes.gateway.networking.k8s.io"]);
    const metadata = { name: "s", namespace: "n" };
    const sidecar = { apiVersion: "networking.istio.io/v1", kind: "Sidecar", metadata };
    const says =
      /does not know Sidecar of networking\.istio\.io\/v1\n {2}do: install Istio .* kubectl get crd sidecars\.networking\.istio\.io/;
    await assert.rejects(kubeObject(kube, sidecar).plan(signal), says);
    const route = { apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", metadata };
    await assert.rejects(kubeObject(kube, route).plan(signal), /do: install the Gateway API/);
    assert.equal(await kubeObjectGone(kube, sidecar).plan(signal), undefined);
  });
});

Deno.test("object: a right that is missing is named, with what to do", async () => {
  await withServer(async (server, kube) => {
    server.state.denied = [{ subject: "jane", verb: "patch" }];
    await assert.rejects(
      kubeObject(kube, MAP).plan(signal),
      /cannot patch resource "configmaps" .*\n {2}do: grant that right/s,
    );
  });
});
