import assert from "node:assert/strict";
import { createAuthority } from "./certificates.ts";
import { verifySignature } from "./json_web_token.ts";
import { type KubernetesEmulator, startKubernetes } from "./kubernetes.ts";
import { workloadPermissions } from "./world.ts";

const EMAIL = "k8s-demo@demo-project.iam.gserviceaccount.com";
const MESH_ENV = "/api/v1/namespaces/istio-system/configmaps/mesh-env";
const TOKEN = "/api/v1/namespaces/demo/serviceaccounts/default/token";

const authority = createAuthority("cluster-ca");

function start(): Promise<KubernetesEmulator> {
  return startKubernetes({
    authority,
    permissions: workloadPermissions(EMAIL, "demo"),
    configMaps: { "istio-system": { "mesh-env": { PROJECT_ID: "demo-project" } } },
    serviceAccounts: { demo: ["default"] },
    tokens: { good: EMAIL },
  });
}

interface Call {
  token?: string;
  certificate?: { certificatePem: string; privateKeyPem: string };
  post?: unknown;
}

async function call(server: KubernetesEmulator, path: string, { token, certificate, post }: Call = {}) {
  const identity = certificate ? { cert: certificate.certificatePem, key: certificate.privateKeyPem } : {};
  using client = Deno.createHttpClient({ caCerts: [server.authority.certificatePem], ...identity });
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const body = post === undefined ? {} : { method: "POST", body: JSON.stringify(post) };
  const response = await fetch(`${server.origin}${path}`, { client, headers, ...body });
  const text = await response.text();
  return { status: response.status, text, body: text.startsWith("{") ? JSON.parse(text) : undefined };
}

Deno.test("kubernetes: version, readiness and a config map", async () => {
  await using server = await start();
  assert.equal((await call(server, "/version")).body.gitVersion, "v1.32.4-gke.1106006");
  assert.equal((await call(server, "/readyz")).text, "ok");
  server.state.ready = false;
  assert.equal((await call(server, "/readyz")).status, 500);
  const map = await call(server, MESH_ENV, { token: "good" });
  assert.equal(map.body.kind, "ConfigMap");
  assert.deepEqual(map.body.data, { PROJECT_ID: "demo-project" });
  assert.equal(server.faults.seen(/mesh-env/)[0]?.user, EMAIL);
});

Deno.test("kubernetes: 401, 403, 404 and 405 are the Status objects of the real one", async () => {
  await using server = await start();
  const failure = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure" };
  assert.deepEqual((await call(server, MESH_ENV, { token: "foreign" })).body, {
    ...failure,
    message: "Unauthorized",
    reason: "Unauthorized",
    code: 401,
  });
  assert.deepEqual((await call(server, MESH_ENV)).body, {
    ...failure,
    message: 'configmaps "mesh-env" is forbidden: User "system:anonymous" cannot get resource "configmaps" in API ' +
      'group "" in the namespace "istio-system"',
    reason: "Forbidden",
    details: { name: "mesh-env", kind: "configmaps" },
    code: 403,
  });
  const token = await call(server, TOKEN.replace("demo", "other"), { token: "good", post: {} });
  assert.match(
    token.body.message,
    /^serviceaccounts "default" is forbidden: .*create resource "serviceaccounts\/token"/,
  );
  const own = "/api/v1/namespaces/demo/configmaps/mesh-env";
  assert.deepEqual((await call(server, own, { token: "good" })).body, {
    ...failure,
    message: 'configmaps "mesh-env" not found',
    reason: "NotFound",
    details: { name: "mesh-env", kind: "configmaps" },
    code: 404,
  });
  server.state.permissions.push({ subject: EMAIL });
  assert.equal((await call(server, MESH_ENV, { token: "good", post: {} })).status, 405);
  server.state.anonymous = false;
  assert.equal((await call(server, "/version")).status, 401);
});

Deno.test("kubernetes: TokenRequest", async () => {
  await using server = await start();
  const post = { spec: { audiences: ["istio-ca"], expirationSeconds: 600 } };
  const made = await call(server, TOKEN, { token: "good", post });
  assert.equal(made.status, 201);
  const claims = verifySignature(made.body.status.token, server.signer.jwks);
  assert.deepEqual(claims?.aud, ["istio-ca"]);
  assert.equal(claims.sub, "system:serviceaccount:demo:default");
  assert.equal(Number(claims.exp) - Number(claims.iat), 600);
  assert.equal(Date.parse(made.body.status.expirationTimestamp), Number(claims.exp) * 1000);
  assert.deepEqual([made.body.kind, made.body.apiVersion], ["TokenRequest", "authentication.k8s.io/v1"]);

  server.state.forcedTokenSeconds = 120;
  const forced = await call(server, TOKEN, { token: "good", post });
  const leftMs = Date.parse(forced.body.status.expirationTimestamp) - Date.now();
  assert.ok(leftMs > 100_000 && leftMs <= 120_000, String(leftMs));

  const short = await call(server, TOKEN, { token: "good", post: { spec: { expirationSeconds: 60 } } });
  assert.deepEqual([short.status, short.body.reason], [422, "Invalid"]);
  assert.equal(
    short.body.message,
    'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a ' +
      "duration less than 10 minutes",
  );
  assert.equal((await call(server, TOKEN, { token: "good", post: { kind: "Pod" } })).status, 400);
  server.state.serviceAccounts = {};
  const missing = await call(server, TOKEN, { token: "good", post });
  assert.equal(missing.body.message, 'serviceaccounts "default" not found');
});

Deno.test("kubernetes: its own tokens authenticate for its own audience only", async () => {
  await using server = await start();
  server.state.permissions.push({ subject: "system:serviceaccount:demo:default", verb: "get" });
  const own = await call(server, TOKEN, { token: "good", post: {} });
  assert.equal((await call(server, MESH_ENV, { token: own.body.status.token })).status, 200);
  const foreign = await call(server, TOKEN, { token: "good", post: { spec: { audiences: ["istio-ca"] } } });
  assert.equal((await call(server, MESH_ENV, { token: foreign.body.status.token })).status, 401);
});

Deno.test("kubernetes: client certificates of its own CA name a user and groups", async () => {
  await using server = await start();
  const who = { commonName: "jane", organizations: ["mesh", "dev"], usage: "client" as const };
  const jane = authority.issue(who);
  const before = await call(server, MESH_ENV, { certificate: jane });
  assert.match(before.body.message, /User "jane" cannot get/);
  server.state.permissions.push({ subject: "group:dev", verb: "get", resource: "configmaps" });
  assert.equal((await call(server, MESH_ENV, { certificate: jane })).status, 200);
  const stranger = await call(server, MESH_ENV, { certificate: createAuthority("cluster-ca").issue(who) });
  assert.match(stranger.body.message, /User "system:anonymous"/);
});

Deno.test("kubernetes: the same faults as over plain HTTP", async () => {
  await using server = await start();
  server.faults.add({ match: /mesh-env/, times: 1, action: "reset" });
  await assert.rejects(call(server, MESH_ENV, { token: "good" }), TypeError);
  assert.equal((await call(server, MESH_ENV, { token: "good" })).status, 200);
});

function kubectlPath(): string | undefined {
  try {
    return new Deno.Command("kubectl", { args: ["version", "--client"], stdout: "null", stderr: "null" }).outputSync()
        .success
      ? "kubectl"
      : undefined;
  } catch {
    return undefined;
  }
}

Deno.test({
  name: "kubernetes: the real kubectl reads the version and makes tokens",
  ignore: kubectlPath() === undefined,
  fn: async () => {
    await using server = await start();
    const directory = await Deno.makeTempDir();
    const kubeconfig = `${directory}/kubeconfig`;
    const kubectl = async (...args: string[]) => {
      const command = new Deno.Command("kubectl", {
        args: ["--kubeconfig", kubeconfig, ...args],
        env: { HOME: directory },
      });
      const { success, stdout, stderr } = await command.output();
      const decoder = new TextDecoder();
      return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    };
    try {
      await Deno.writeTextFile(kubeconfig, server.kubeconfig({ token: "good" }));
      const version = await kubectl("get", "--raw", "/version");
      assert.equal(JSON.parse(version.stdout).major, "1", version.stderr);
      const token = await kubectl("create", "token", "default", "-n", "demo", "--audience", "istio-ca");
      assert.deepEqual(verifySignature(token.stdout.trim(), server.signer.jwks)?.aud, ["istio-ca"], token.stderr);
      const refused = await kubectl("create", "token", "default", "-n", "other");
      assert.match(refused.stderr, /^error: failed to create token: serviceaccounts "default" is forbidden: User/);
      const short = await kubectl("create", "token", "default", "-n", "demo", "--duration", "60s");
      assert.match(short.stderr, /may not specify a duration less than 10 minutes/);

      const certificate = authority.issue({ commonName: EMAIL, usage: "client" });
      await Deno.writeTextFile(kubeconfig, server.kubeconfig(certificate));
      const map = await kubectl("get", "--raw", MESH_ENV);
      assert.match(map.stdout, /"PROJECT_ID":"demo-project"/, map.stderr);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
