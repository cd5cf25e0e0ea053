import assert from "node:assert/strict";
import { HttpError } from "../../lib/base/http.ts";
import { Secret } from "../../lib/base/secret.ts";
import {
  apply,
  get,
  KubeClient,
  type KubeObject,
  listAll,
  namespacedKinds,
  remove,
  RESOURCES,
} from "../../lib/kube/mod.ts";
import { createAuthority } from "./certificates.ts";
import { type KubernetesEmulator, startKubernetes } from "./kubernetes.ts";

const authority = createAuthority("cluster-ca");
const USER = "jane";

async function withServer(test: (server: KubernetesEmulator, kube: KubeClient) => Promise<void>): Promise<void> {
  await using server = await startKubernetes({
    authority,
    tokens: { t: USER },
    permissions: [{ subject: USER }],
    hasNamespaces: true,
  });
  using kube = new KubeClient({
    origin: "the emulator",
    server: server.origin,
    ca: authority.certificatePem,
    authorization: () => Promise.resolve(new Secret("Bearer t")),
  });
  await test(server, kube);
}

const namespace = (name: string): KubeObject => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
const configMap = (namespace: string, name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace },
  data: { A: "1" },
});
const refusal = async (work: Promise<unknown>): Promise<HttpError> =>
  await work.then(() => assert.fail("not refused"), (error) => error);

Deno.test("namespaces: nothing is made in one that is not there; a new one is filled; what ends takes all with it", async () => {
  await withServer(async (server, kube) => {
    const none = await refusal(apply(kube, configMap("shop", "m")));
    assert.deepEqual([none.status, JSON.parse(none.body).details], [404, { name: "shop", kind: "namespaces" }]);
    assert.equal((await refusal(apply(kube, configMap("shop", "m"), { dryRun: true }))).status, 404);
    await apply(kube, namespace("shop"), { dryRun: true });
    assert.equal(await get(kube, RESOURCES.Namespace, undefined, "shop"), undefined);
    const made = await apply(kube, namespace("shop"));
    assert.deepEqual(made.metadata.labels, { "kubernetes.io/metadata.name": "shop" });
    assert.deepEqual(made["status"], { phase: "Active" });
    assert(await get(kube, RESOURCES.ServiceAccount, "shop", "default"));
    assert(await get(kube, RESOURCES.ConfigMap, "shop", "kube-root-ca.crt"));
    await apply(kube, configMap("shop", "m"));

    server.state.namespaceEndMs = 50;
    await remove(kube, made);
    const going = (await get(kube, RESOURCES.Namespace, undefined, "shop"))!;
    assert.deepEqual(going["status"], { phase: "Terminating" });
    const late = await refusal(apply(kube, configMap("shop", "late")));
    assert.match(late.message, /unable to create new content in namespace shop because it is being terminated/);
    await new Promise((resolve) => setTimeout(resolve, 80));
    assert.equal(await get(kube, RESOURCES.Namespace, undefined, "shop"), undefined);
    assert.equal(server.objects.all().length, 0);
  });
});

Deno.test("kinds: told all at once; one that is not served is not found; lists of metadata alone", async () => {
  await withServer(async (server, kube) => {
    const { kinds, silent } = await namespacedKinds(kube);
    assert.deepEqual(silent, []);
    const find = (kind: string) => kinds.find((one) => one.kind === kind);
    assert.deepEqual(find("Role"), { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", resource: "roles" });
    assert.equal(find("Sidecar")!.apiVersion, "networking.istio.io/v1", "the first version is the preferred one");
    assert.equal(find("Namespace"), undefined);
    server.state.missingKinds.add("sidecars.networking.istio.io");
    assert.equal((await namespacedKinds(kube)).kinds.find(({ kind }) => kind === "Sidecar"), undefined);
    assert.equal((await refusal(listAll(kube, { resource: RESOURCES.Sidecar, namespace: "n" }))).status, 404);
    await apply(kube, namespace("shop"));
    await apply(kube, configMap("shop", "m"));
    const { items } = await listAll(kube, { resource: RESOURCES.ConfigMap, namespace: "shop" }, {
      metadataAlone: true,
    });
    assert.deepEqual(items.map(({ metadata, data }) => [metadata.name, data]), [["kube-root-ca.crt", undefined], [
      "m",
      undefined,
    ]]);
  });
});

Deno.test("kinds: a server that cannot tell all at once is too old", async () => {
  await withServer(async (server, kube) => {
    server.faults.add({ match: /^GET \/apis$/, body: '{"kind":"APIGroupList","apiVersion":"v1","groups":[]}' });
    await assert.rejects(namespacedKinds(kube), /older than Kubernetes 1\.27/);
    server.faults.clear();
    const stale = {
      kind: "APIGroupDiscoveryList",
      items: [{ metadata: { name: "metrics.k8s.io" }, versions: [{ version: "v1beta1", freshness: "Stale" }] }],
    };
    server.faults.add({ match: /^GET \/apis$/, body: JSON.stringify(stale) });
    assert.deepEqual((await namespacedKinds(kube)).silent, ["metrics.k8s.io/v1beta1"]);
  });
});

Deno.test("rbac: nobody grants what he may not do himself; what is denied is denied", async () => {
  await withServer(async (server, kube) => {
    await apply(kube, namespace("shop"));
    const role: KubeObject = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: "r", namespace: "shop" },
      rules: [{ apiGroups: [""], resources: ["serviceaccounts/token"], resourceNames: ["default"], verbs: ["create"] }],
    };
    server.state.denied.push({ subject: USER, verb: "create", resource: "serviceaccounts/token", namespace: "shop" });
    const refused = await refusal(apply(kube, role));
    assert.equal(refused.status, 403);
    const { message } = JSON.parse(refused.body);
    assert.match(
      message,
      /user "jane" \(groups=\["system:authenticated"\]\) is attempting to grant RBAC permissions not currently held:/,
    );
    assert.match(
      message,
      /\{APIGroups:\[""\], Resources:\["serviceaccounts\/token"\], ResourceNames:\["default"\], Verbs:\["create"\]\}/,
    );
    server.state.denied.length = 0;
    await apply(kube, role);
    assert.deepEqual(server.faults.requests.at(-1)!.permissions, [
      "patch roles in shop",
      "create roles in shop",
      "create serviceaccounts/token in shop",
    ]);
  });
});
