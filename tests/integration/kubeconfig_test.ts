/** krun with a kubeconfig or a pod's own account in place of Google Cloud: every way to sign in, to the workload's token. */
import assert from "node:assert/strict";
import { startWorld, workloadPermissions, type World } from "../emulators/world.ts";
import { freePort } from "../free_port.ts";
import { canUnshare, type KrunOptions, messageOf, runKrun, withDirectory } from "./krun_process.ts";

const TOKEN = "static-token-of-me";
const APP = ["--proxy=none", "--tunnel=none", "sh", "-c", "exit 7"];

interface Scene {
  world: World;
  directory: string;
  environment: Record<string, string>;
}

/** A world whose API server knows `me`, and krun anywhere but on Google Cloud. */
async function inWorld(test: (scene: Scene) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    await using world = await startWorld();
    const { state } = world.kubernetes;
    state.tokens[TOKEN] = "me";
    state.permissions.push(...workloadPermissions("me", "demo"));
    const environment = {
      GCE_METADATA_HOST: `127.0.0.1:${freePort()}`,
      KRUN_LOG_FORMAT: "text",
      KUBECONFIG: `${directory}/config`,
      MESH_BASE_DIR: `${directory}/base`,
      PORT_http: String(freePort()),
    };
    await test({ world, directory, environment });
  });
}

async function writeKubeconfig(
  { world, directory }: Scene,
  user: Record<string, unknown>,
  { context = "mine", namespace = "demo", cluster = {} as Record<string, unknown> } = {},
): Promise<void> {
  const config = JSON.parse(world.kubernetes.kubeconfig({ token: "x" }, context));
  config.users[0].user = user;
  config.contexts[0].context.namespace = namespace;
  config.clusters[0].cluster = { ...config.clusters[0].cluster, ...cluster };
  await Deno.writeTextFile(`${directory}/config`, JSON.stringify(config));
}

/** Runs krun: it must get the token of demo's service account as this user of the API server. */
async function join(scene: Scene, user: string, options: Partial<KrunOptions> = {}): Promise<string> {
  const { environment, world } = scene;
  const { code, stderr } = await runKrun(APP, { environment, ...options });
  assert.equal(code, 7, stderr);
  const asked = world.kubernetes.faults.requests.map(({ method, path, user }) => `${method} ${path} ${user}`);
  assert.deepEqual(asked.sort(), [
    `GET /api/v1/namespaces/demo/configmaps/mesh-env ${user}`,
    `GET /api/v1/namespaces/istio-system/configmaps/mesh-env ${user}`,
    `POST /api/v1/namespaces/demo/serviceaccounts/default/token ${user}`,
  ]);
  const token = await Deno.readTextFile(`${environment["MESH_BASE_DIR"]}/var/run/secrets/tokens/istio-token`);
  assert.equal(JSON.parse(atob(token.split(".")[1]!)).sub, "system:serviceaccount:demo:default");
  return stderr;
}

const clientOf = ({ world }: Scene) => world.kubernetes.authority.issue({ commonName: "me", usage: "client" });
const write = (scene: Scene, name: string, text: string, mode = 0o644) =>
  Deno.writeTextFile(`${scene.directory}/${name}`, text, { mode });

const USERS: [name: string, user: (scene: Scene) => Promise<Record<string, unknown>> | Record<string, unknown>][] = [
  ["a token", () => ({ token: TOKEN })],
  [
    "a token in a file beside it",
    async (scene) => {
      await write(scene, "token", `${TOKEN}\n`);
      return { tokenFile: "token" };
    },
  ],
  [
    "a client certificate inside",
    (scene) => {
      const { certificatePem, privateKeyPem } = clientOf(scene);
      return { "client-certificate-data": btoa(certificatePem), "client-key-data": btoa(privateKeyPem) };
    },
  ],
  [
    "a client certificate in files",
    async (scene) => {
      const { certificatePem, privateKeyPem } = clientOf(scene);
      await write(scene, "client.pem", certificatePem);
      await write(scene, "key.pem", privateKeyPem, 0o600);
      return { "client-certificate": "client.pem", "client-key": `${scene.directory}/key.pem` };
    },
  ],
  [
    "a plugin",
    async (scene) => {
      const answer = { kind: "ExecCredential", status: { token: TOKEN, expirationTimestamp: "2099-01-01T00:00:00Z" } };
      await write(
        scene,
        "plugin",
        `#!/bin/sh\necho run >> ${scene.directory}/runs\necho '${JSON.stringify(answer)}'\n`,
        0o755,
      );
      return { exec: { apiVersion: "client.authentication.k8s.io/v1", command: `${scene.directory}/plugin` } };
    },
  ],
];
for (const [name, user] of USERS) {
  Deno.test(`kubeconfig: ${name}`, () =>
    inWorld(async (scene) => {
      await writeKubeconfig(scene, await user(scene));
      const said = await join(scene, "me");
      assert.match(said, /identity spiffe:\/\/demo-project\.svc\.id\.goog\/ns\/demo\/sa\/default/);
      assert.doesNotMatch(said, new RegExp(TOKEN));
      const runs = await Deno.readTextFile(`${scene.directory}/runs`).catch(() => "");
      assert.equal(runs, name === "a plugin" ? "run\n" : "", "a plugin is run once");
    }));
}

Deno.test("kubeconfig: Google's plugin that is not installed: the instance's own account signs in", () =>
  inWorld(async (scene) => {
    scene.environment["GCE_METADATA_HOST"] = scene.world.metadata.host;
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1beta1",
      command: `${scene.directory}/gke-gcloud-auth-plugin`,
    };
    await writeKubeconfig(scene, { exec });
    await join(scene, scene.world.metadata.state.email);
  }));

Deno.test("kubeconfig: ~/.kube/config where nothing else is said", () =>
  inWorld(async (scene) => {
    await writeKubeconfig(scene, { token: TOKEN });
    await Deno.mkdir(`${scene.directory}/home/.kube`, { recursive: true });
    await Deno.rename(`${scene.directory}/config`, `${scene.directory}/home/.kube/config`);
    delete scene.environment["KUBECONFIG"];
    scene.environment["HOME"] = `${scene.directory}/home`;
    await join(scene, "me");
  }));

Deno.test("kubeconfig: a context as gcloud names it tells project, location and cluster", () =>
  inWorld(async (scene) => {
    const { world, directory, environment } = scene;
    for (const name of ["PROJECT_ID", "CLUSTER_LOCATION", "CLUSTER_NAME"]) delete world.meshEnv[name];
    await writeKubeconfig(scene, { token: TOKEN }, { context: "gke_my-project_us-east1-b_istio_1" });
    const { stdout } = await runKrun(["config", "--output=json"], { environment });
    const rows: { setting: string; value: unknown; source: string }[] = JSON.parse(stdout);
    const source = `kubeconfig (${directory}/config, context gke_my-project_us-east1-b_istio_1)`;
    for (
      const [setting, value] of [
        ["PROJECT_ID", "my-project"],
        ["CLUSTER_LOCATION", "us-east1-b"],
        ["CLUSTER_NAME", "istio_1"],
        ["WORKLOAD_NAMESPACE", "demo"],
      ]
    ) {
      assert.deepEqual(rows.find((row) => row.setting === setting), { setting, value, source });
    }
  }));

Deno.test("kubeconfig: the context that --context names", () =>
  inWorld(async (scene) => {
    await writeKubeconfig(scene, { token: TOKEN });
    const config = JSON.parse(await Deno.readTextFile(`${scene.directory}/config`));
    config["current-context"] = "elsewhere";
    await write(scene, "config", JSON.stringify(config));
    const { code, stderr } = await runKrun(["--context=mine", ...APP], { environment: scene.environment });
    assert.equal(code, 7, stderr);
    const end = await runKrun(APP, { environment: scene.environment });
    assert.equal(
      messageOf(end),
      `krun: cannot read kubeconfig ${scene.directory}/config\n  got: no context "elsewhere" among mine\n` +
        "  do: check --context and KUBECONFIG",
    );
  }));

Deno.test("kubeconfig: an API server with a certificate of another CA is not spoken to", () =>
  inWorld(async (scene) => {
    const cluster = { "certificate-authority-data": btoa(scene.world.publicAuthority.certificatePem) };
    await writeKubeconfig(scene, { token: TOKEN }, { cluster });
    const environment = { ...scene.environment, KRUN_CLUSTER_BUDGET_MS: "300" };
    const end = await runKrun(APP, { environment });
    assert.equal(end.code, 1);
    assert.match(messageOf(end), /^krun: cannot reach a cluster's API server \(1 tried\)/);
    assert.deepEqual(scene.world.kubernetes.faults.requests, [], "and gets no token");
  }));

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

Deno.test("pod: an account that is not mounted", () =>
  inWorld(async ({ environment: { KUBECONFIG: _, ...environment } }) => {
    const end = await runKrun(APP, { environment: { ...environment, KUBERNETES_SERVICE_HOST: "127.0.0.1" } });
    assert.equal(end.code, 1);
    assert.match(
      messageOf(end),
      new RegExp(
        `^krun: cannot read the pod's own account from ${ACCOUNT}/(ca.crt|namespace)\n  got: No such file or directory.*\n` +
          "  do: set automountServiceAccountToken: true, or set KUBECONFIG$",
      ),
    );
  }));

Deno.test({
  name: "pod: the account where the kubelet mounts it (in a mount namespace of its own)",
  ignore: !canUnshare("--mount"),
  fn: () =>
    inWorld(async (scene) => {
      const { world, environment: { KUBECONFIG: _, ...environment } } = scene;
      await write(scene, "ca.crt", world.kubernetes.authority.certificatePem);
      await write(scene, "namespace", "demo");
      await write(scene, "token", TOKEN);
      const script =
        `mount -t tmpfs tmpfs /var/run && mkdir -p ${ACCOUNT} && cp "$0"/ca.crt "$0"/namespace "$0"/token ${ACCOUNT} && exec "$@"`;
      scene.environment = {
        ...environment,
        KUBERNETES_SERVICE_HOST: "127.0.0.1",
        KUBERNETES_SERVICE_PORT: String(world.kubernetes.port),
      };
      await join(scene, "me", { within: ["unshare", "--mount", "sh", "-c", script, scene.directory] });
    }),
});
