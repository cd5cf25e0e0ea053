import assert from "node:assert/strict";
import { type KubernetesEmulator, startKubernetes } from "../../tests/emulators/kubernetes.ts";
import { workloadPermissions } from "../../tests/emulators/world.ts";
import { createAuthority } from "../../tests/emulators/certificates.ts";
import { Secret } from "../base/secret.ts";
import { KubeClient } from "./client.ts";
import { inClusterAccess } from "./in_cluster.ts";

const EMAIL = "k8s-demo@p.iam.gserviceaccount.com";
const authority = createAuthority("cluster-ca");
const start = () =>
  startKubernetes({
    authority,
    permissions: workloadPermissions(EMAIL, "demo"),
    configMaps: { "istio-system": { "mesh-env": { A: "b" } } },
    serviceAccounts: { demo: ["default"] },
    tokens: { "good-token": EMAIL },
  });
const clientOf = (server: KubernetesEmulator, token = "good-token", now?: () => number) =>
  new KubeClient({
    origin: "cluster x",
    server: server.origin,
    ca: authority.certificatePem,
    authorization: () => Promise.resolve(new Secret(`Bearer ${token}`)),
    user: EMAIL,
  }, { now });

Deno.test("kube: a config map, and none", async () => {
  await using server = await start();
  using kube = clientOf(server);
  assert.deepEqual(await kube.configMap("istio-system", "mesh-env"), { A: "b" });
  assert.equal(await kube.configMap("demo", "mesh-env"), undefined);
});

Deno.test("kube: a token for its audience, with the life that the server gave it", async () => {
  await using server = await start();
  server.state.forcedTokenSeconds = 700;
  using kube = clientOf(server, "good-token", () => 5);
  const before = Date.now();
  const token = await kube.serviceAccountToken({ namespace: "demo", name: "default" }, "istio-ca", 43_200);
  const claims = JSON.parse(atob(token.value.reveal().split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
  assert.deepEqual(claims.aud, ["istio-ca"]);
  assert.equal(token.issuedAt, 5);
  assert(Math.abs(token.expiresAt - before - 700_000) < 5_000);
});

Deno.test("kube: a client certificate", async () => {
  await using server = await start();
  const { certificatePem, privateKeyPem } = authority.issue({ commonName: EMAIL, usage: "client" });
  using kube = new KubeClient({
    origin: "x",
    server: server.origin,
    ca: authority.certificatePem,
    certificate: { cert: certificatePem, key: new Secret(privateKeyPem) },
  });
  assert.deepEqual(await kube.configMap("istio-system", "mesh-env"), { A: "b" });
});

const MAP = "/api/v1/namespaces/demo/configmaps/other";
const TOKEN = "/api/v1/namespaces/demo/serviceaccounts/other/token";
const ERRORS: [
  name: string,
  token: string,
  ask: (kube: KubeClient) => Promise<unknown>,
  message: (origin: string) => string,
][] = [
  [
    "a config map that may not be read names the command",
    "good-token",
    (kube) => kube.configMap("demo", "other"),
    (origin) =>
      `read config map demo/other on cluster x (GET ${origin}${MAP})\n` +
      `  got: 403 Forbidden: configmaps "other" is forbidden: User "${EMAIL}" cannot get resource "configmaps" in API group "" in the namespace "demo"\n` +
      "  do: kubectl -n demo create role krun-mesh-env --verb=get --resource=configmaps --resource-name=other && " +
      `kubectl -n demo create rolebinding krun-mesh-env --role=krun-mesh-env --user=${EMAIL}`,
  ],
  [
    "a token that may not be had names the command",
    "good-token",
    (kube) => kube.serviceAccountToken({ namespace: "demo", name: "other" }, "a", 600),
    (origin) =>
      `get a token of service account demo/other for audience a on cluster x (POST ${origin}${TOKEN})\n` +
      `  got: 403 Forbidden: serviceaccounts "other" is forbidden: User "${EMAIL}" cannot create resource "serviceaccounts/token" in API group "" in the namespace "demo"\n` +
      "  do: kubectl -n demo create role krun-token --verb=create --resource=serviceaccounts/token --resource-name=other && " +
      `kubectl -n demo create rolebinding krun-token --role=krun-token --user=${EMAIL}`,
  ],
  [
    "credentials that are refused",
    "bad-token-1",
    (kube) => kube.configMap("demo", "other"),
    (origin) =>
      `read config map demo/other on cluster x (GET ${origin}${MAP})\n  got: 401 Unauthorized: Unauthorized\n` +
      "  do: the credentials were refused by the API server: check the account and the machine's clock",
  ],
];
for (const [name, token, ask, message] of ERRORS) {
  Deno.test(`kube: ${name}`, async () => {
    await using server = await start();
    using kube = clientOf(server, token);
    await assert.rejects(ask(kube), { message: message(server.origin) });
    assert.equal(server.faults.requests.length, 1);
  });
}

Deno.test("kube: malformed answers", async () => {
  await using server = await start();
  using kube = clientOf(server);
  server.faults.add({ match: /configmaps/, action: "malformed" }, {
    match: /token/,
    body: '{"status": {"token": ""}}',
  });
  await assert.rejects(kube.configMap("demo", "mesh-env"), {
    message:
      "read config map demo/mesh-env on cluster x\n  got: an answer that is no JSON (12 bytes of broken JSON)\n" +
      "  do: kubectl -n demo get configmap mesh-env -o yaml",
  });
  await assert.rejects(kube.serviceAccountToken({ namespace: "demo", name: "default" }, "a", 600), {
    message: "get a token of service account demo/default for audience a on cluster x\n" +
      "  got: an answer without its expected form at status.token: expected >=1, got a value of type string",
  });
});

Deno.test("in-cluster: the pod's account, its token read anew for each request", async () => {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, text] of [["ca.crt", "CA"], ["namespace", "ns\n"], ["token", "first-token"]]) {
      await Deno.writeTextFile(`${directory}/${name}`, text!);
    }
    const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
    const { access, namespace } = (await inClusterAccess(environment, directory))!;
    assert.deepEqual([access.server, access.ca, namespace], ["https://[fd00::1]:6443", "CA", "ns"]);
    assert.equal((await access.authorization!())?.reveal(), "Bearer first-token");
    await Deno.writeTextFile(`${directory}/token`, "second-token\n");
    assert.equal((await access.authorization!())?.reveal(), "Bearer second-token");
    assert.equal(await inClusterAccess({}, directory), undefined);
    await Deno.remove(`${directory}/namespace`);
    await assert.rejects(inClusterAccess(environment, directory), {
      message: new RegExp(
        `^read the pod's own account from ${directory}/namespace\n  got: No such file or directory.*\n` +
          "  do: set automountServiceAccountToken: true, or set KUBECONFIG$",
      ),
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
