/** Plants secrets in every source, fails every stage with the log at its loudest, and looks for them in all that krun prints. */
import assert from "node:assert/strict";
import { rsaKeyPair } from "../emulators/certificates.ts";
import { type HttpServer, startHttpServer } from "../emulators/http_server.ts";
import { startWorld, type World } from "../emulators/world.ts";
import { freePort } from "../free_port.ts";
import { runKrun, withDirectory } from "./krun_process.ts";

const EMAIL = "k8s-demo@demo-project.iam.gserviceaccount.com";
const OWNER = "planted.user@example.com";
const key = rsaKeyPair().privateKeyPem;
/** The part of a key that could not be anything else. */
const KEY_LINE = key.split("\n")[5]!;

/** Each has a name of its own, so that a failure tells which source leaks. */
const PLANTED = {
  header: "planted-xds-header-8d2f61a0",
  environmentToken: "planted-environment-token-4c1b",
  proxyConfig: "planted-proxy-metadata-77aa01",
  appVariable: "planted-app-variable-11c2d3",
  kubeconfigToken: "planted-kubeconfig-token-5e6f",
  kubeconfigPassword: "planted-kubeconfig-password-a1",
  pluginToken: "planted-plugin-stdout-90ab12",
  pluginError: "planted-plugin-stderr-34cd56",
  pluginArgument: "planted-plugin-argument-0f1e",
  refreshToken: "planted-refresh-token-1//0gAbCd",
  clientSecret: "planted-client-secret-GOCSPX",
  metadataToken: "planted-metadata-token-xyz987",
  oauthToken: "planted-oauth-token-00112233",
  proxyPassword: "planted-proxy-url-password-9",
  inAnswer: "planted-token-in-a-broken-answer",
  keyLine: KEY_LINE,
};

interface Scene {
  world: World;
  directory: string;
  environment: Record<string, string>;
  tokens: HttpServer;
  args: string[];
}

interface Stage {
  name: string;
  arrange: (scene: Scene) => unknown;
}

const kubeconfig = async (scene: Scene, user: Record<string, unknown>, cluster: Record<string, unknown> = {}) => {
  const path = scene.environment["KUBECONFIG"] = `${scene.directory}/kubeconfig`;
  const config = JSON.parse(scene.world.kubernetes.kubeconfig({ token: "x" }));
  config.users[0].user = user;
  Object.assign(config.clusters[0].cluster, cluster);
  config.contexts[0].context.namespace = "demo";
  await Deno.writeTextFile(path, JSON.stringify(config));
};
const adc = async (scene: Scene, content: unknown) => {
  const path = scene.environment["GOOGLE_APPLICATION_CREDENTIALS"] = `${scene.directory}/adc.json`;
  await Deno.writeTextFile(path, typeof content === "string" ? content : JSON.stringify(content));
};
const user = ({ tokens }: Scene) => ({
  type: "authorized_user",
  client_id: "id",
  client_secret: PLANTED.clientSecret,
  refresh_token: PLANTED.refreshToken,
  token_uri: `${tokens.origin}/token`,
});
const robot = ({ tokens }: Scene) => ({
  type: "service_account",
  client_email: "robot@p.iam.gserviceaccount.com",
  private_key: key,
  token_uri: `${tokens.origin}/token`,
});
const plugin = (script: string) => ({
  exec: {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "/bin/sh",
    args: ["-c", script, PLANTED.pluginArgument],
  },
});
/** An answer that says back, in several forms, what the caller is authorized by. */
const echo = (secret: string, status: number) => ({
  status,
  body: JSON.stringify({
    error: {
      code: status,
      status: "PERMISSION_DENIED",
      message: `authorization: Bearer ${secret} <b>${secret}</b> token=${secret}&x url=https://u:${secret}@h/`,
    },
  }),
});
const broken = { body: `{"access_token": "${PLANTED.inAnswer}", "status": {"token": "${PLANTED.inAnswer}"` };
const misplaced = { body: `{"access_token": 1, "expires_in": "${PLANTED.inAnswer}", "status": "${PLANTED.inAnswer}"}` };
const google = { headers: { "metadata-flavor": "Google" } };

const STAGES: Stage[] = [
  { name: "nothing fails", arrange: () => {} },
  {
    name: "no metadata server",
    arrange: ({ environment }) => environment["GCE_METADATA_HOST"] = `127.0.0.1:${freePort()}`,
  },
  {
    name: "the metadata server's answer breaks off",
    arrange: ({ world }) => world.metadata.faults.add({ match: /token/, ...google, ...broken }),
  },
  {
    name: "the metadata server's answer has the token in the wrong place",
    arrange: ({ world }) => world.metadata.faults.add({ match: /token/, ...google, ...misplaced }),
  },
  {
    name: "GKE refuses and says the token back",
    arrange: ({ world }) => world.gke.faults.add({ match: /clusters/, ...echo(PLANTED.metadataToken, 403) }),
  },
  {
    name: "GKE is down and says the token back, at each try",
    arrange: ({ world }) => world.gke.faults.add({ match: /clusters/, ...echo(PLANTED.metadataToken, 503) }),
  },
  {
    name: "the project's labels are refused with the token",
    arrange: ({ world }) => world.resourceManager.faults.add({ match: /./, ...echo(PLANTED.metadataToken, 403) }),
  },
  {
    name: "mesh-env is refused with the token",
    arrange: ({ world }) => world.kubernetes.faults.add({ match: /configmaps/, ...echo(PLANTED.metadataToken, 403) }),
  },
  {
    name: "the service account's token is refused with the token",
    arrange: ({ world }) => world.kubernetes.faults.add({ match: /token/, ...echo(PLANTED.metadataToken, 403) }),
  },
  {
    name: "the service account's token breaks off",
    arrange: ({ world }) => world.kubernetes.faults.add({ match: /token/, ...broken }),
  },
  {
    name: "the service account's token is in the wrong place",
    arrange: ({ world }) => world.kubernetes.faults.add({ match: /token/, ...misplaced }),
  },
  {
    name: "a user's refresh token is refused and said back",
    arrange: async (scene) => {
      await adc(scene, user(scene));
      scene.tokens.faults.add({ match: /./, ...echo(PLANTED.refreshToken, 400) });
    },
  },
  {
    name: "the token endpoint breaks off",
    arrange: async (scene) => {
      await adc(scene, user(scene));
      scene.tokens.faults.add({ match: /./, ...broken });
    },
  },
  {
    name: "a key's token is refused by GKE",
    arrange: async (scene) => {
      await adc(scene, robot(scene));
      scene.world.gke.faults.add({ match: /clusters/, ...echo(PLANTED.oauthToken, 401) });
    },
  },
  {
    name: "the token endpoint says the key back",
    arrange: async (scene) => {
      await adc(scene, robot(scene));
      scene.tokens.faults.add({ match: /./, status: 400, body: `cannot read ${JSON.stringify(key)} ${key}` });
    },
  },
  {
    name: "a credentials file that breaks off",
    arrange: (scene) => adc(scene, JSON.stringify(robot(scene)).slice(0, -2)),
  },
  {
    name: "a credentials file without a type",
    arrange: (scene) => adc(scene, { ...robot(scene), type: undefined }),
  },
  {
    name: "an impersonation that is refused",
    arrange: async (scene) => {
      await adc(scene, {
        type: "impersonated_service_account",
        source_credentials: user(scene),
        service_account_impersonation_url: `${scene.tokens.origin}/v1/a@b:generateAccessToken`,
      });
      scene.tokens.faults.add({ match: /generateAccessToken/, ...echo(PLANTED.oauthToken, 403) });
    },
  },
  {
    name: "a federation whose token endpoint says the secrets back",
    arrange: async (scene) => {
      await Deno.writeTextFile(`${scene.directory}/subject`, PLANTED.environmentToken);
      await adc(scene, {
        type: "external_account",
        audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        token_url: `${scene.tokens.origin}/token`,
        client_id: "id",
        client_secret: PLANTED.clientSecret,
        credential_source: { file: `${scene.directory}/subject` },
      });
      scene.tokens.faults.add({
        match: /./,
        status: 400,
        body: JSON.stringify({
          error: "invalid_request",
          error_description: `${PLANTED.environmentToken} ${PLANTED.clientSecret}`,
        }),
      });
    },
  },
  {
    name: "a kubeconfig's token is refused and said back",
    arrange: async (scene) => {
      await kubeconfig(scene, { token: PLANTED.kubeconfigToken });
      scene.world.kubernetes.faults.add({ match: /./, ...echo(PLANTED.kubeconfigToken, 401) });
    },
  },
  {
    name: "a kubeconfig's password is refused and said back",
    arrange: async (scene) => {
      await kubeconfig(scene, { username: "u", password: PLANTED.kubeconfigPassword });
      scene.world.kubernetes.faults.add({ match: /./, ...echo(btoa(`u:${PLANTED.kubeconfigPassword}`), 401) });
    },
  },
  {
    name: "a kubeconfig's client key that cannot be read",
    arrange: (scene) =>
      kubeconfig(scene, {
        "client-certificate-data": btoa("no certificate"),
        "client-key-data": btoa(key.replace("BEGIN", "BROKEN")),
      }),
  },
  {
    name: "a kubeconfig that breaks off",
    arrange: async (scene) => {
      await kubeconfig(scene, { token: PLANTED.kubeconfigToken });
      const text = await Deno.readTextFile(scene.environment["KUBECONFIG"]!);
      await Deno.writeTextFile(
        scene.environment["KUBECONFIG"]!,
        text.replace(`${PLANTED.kubeconfigToken}"`, PLANTED.kubeconfigToken),
      );
    },
  },
  {
    name: "a kubeconfig whose form is wrong where the token is",
    arrange: (scene) => kubeconfig(scene, { exec: PLANTED.kubeconfigToken }),
  },
  {
    name: "a proxy with a password that is not there",
    arrange: (scene) =>
      kubeconfig(scene, { token: PLANTED.kubeconfigToken }, {
        "proxy-url": `http://u:${PLANTED.proxyPassword}@127.0.0.1:${freePort()}`,
      }),
  },
  {
    name: "a plugin that fails",
    arrange: (scene) =>
      kubeconfig(scene, plugin(`echo ${PLANTED.pluginToken}; echo ${PLANTED.pluginError} >&2; exit 1`)),
  },
  {
    name: "a plugin whose answer is no JSON",
    arrange: (scene) => kubeconfig(scene, plugin(`echo ${PLANTED.pluginToken}; echo ${PLANTED.pluginError} >&2`)),
  },
  {
    name: "a plugin whose token is in the wrong place",
    arrange: (scene) => kubeconfig(scene, plugin(`echo '{"status": "${PLANTED.pluginToken}"}'`)),
  },
  {
    name: "a plugin's token is refused and said back",
    arrange: async (scene) => {
      await kubeconfig(scene, plugin(`echo '{"status": {"token": "${PLANTED.pluginToken}"}}'`));
      scene.world.kubernetes.faults.add({ match: /./, ...echo(PLANTED.pluginToken, 403) });
    },
  },
  { name: "roots that are none", arrange: ({ world }) => world.meshEnv["CAROOT_ISTIOD"] = PLANTED.inAnswer },
  {
    name: "a directory that cannot be made",
    arrange: async ({ directory, environment }) => {
      environment["MESH_BASE_DIR"] = `${directory}/file`;
      await Deno.writeTextFile(`${directory}/file`, "");
    },
  },
  {
    name: "PROXY_CONFIG that cannot be read",
    arrange: (scene) => {
      scene.environment["PROXY_CONFIG"] = `{"proxyMetadata": {"XDS_HEADER_A": "${PLANTED.proxyConfig}`;
      scene.args = ["--proxy=envoy", "--tunnel=none", "true"];
    },
  },
  {
    name: "a pilot-agent that prints its environment and ends",
    arrange: async (scene) => {
      const { directory, environment } = scene;
      await Deno.writeTextFile(`${directory}/agent`, "#!/bin/sh\nenv\nenv >&2\nexit 1\n", { mode: 0o755 });
      await Deno.chmod(directory, 0o755);
      environment["KRUN_PILOT_AGENT"] = environment["KRUN_ENVOY"] = `${directory}/agent`;
      environment["KRUN_CAPTURE"] = "none";
      scene.args = ["--proxy=envoy", "--tunnel=none", "true"];
    },
  },
  { name: "no such app", arrange: (scene) => scene.args = ["--proxy=none", "--tunnel=none", "no-such-app"] },
  { name: "krun config", arrange: (scene) => scene.args = ["config"] },
  { name: "krun config as JSON", arrange: (scene) => scene.args = ["config", "--output=json"] },
];

async function outputOf({ arrange }: Stage, format: string): Promise<string> {
  return await withDirectory(async (directory) => {
    await using world = await startWorld();
    await using tokens = await startHttpServer({
      handle: () => ({
        status: 200,
        body: JSON.stringify({ access_token: PLANTED.oauthToken, expires_in: 3_600, token_type: "Bearer" }),
      }),
    });
    world.accessTokens.add(PLANTED.metadataToken, EMAIL);
    world.accessTokens.add(PLANTED.oauthToken, OWNER);
    world.metadata.faults.add();
    const environment: Record<string, string> = {
      ...world.environment,
      MESH_DEBUG: "true",
      KRUN_LOG_FORMAT: format,
      MESH_BASE_DIR: `${directory}/base`,
      PORT_http: String(freePort()),
      KRUN_CLUSTER_BUDGET_MS: "300",
      XDS_HEADER_AUTHORIZATION: PLANTED.header,
      ISTIO_META_API_TOKEN: PLANTED.environmentToken,
      PROXY_CONFIG: JSON.stringify({ proxyMetadata: { XDS_HEADER_A: PLANTED.proxyConfig } }),
      APP_PASSWORD: PLANTED.appVariable,
    };
    const scene: Scene = { world, directory, environment, tokens, args: ["--proxy=none", "--tunnel=none", "true"] };
    await Deno.mkdir(`${directory}/base`);
    await arrange(scene);
    // What no case has changed gives the planted token, as the first rule that fits is taken.
    world.metadata.faults.add({
      match: /service-accounts\/default\/token/,
      ...google,
      body: JSON.stringify({ access_token: PLANTED.metadataToken, expires_in: 3_600, token_type: "Bearer" }),
    });
    const { stdout, stderr } = await runKrun(scene.args, { environment });
    return `${stdout}\n${stderr}`;
  });
}

for (const [at, stage] of STAGES.entries()) {
  Deno.test(`secrets: ${stage.name}`, async () => {
    // Both formats for the first stages, then by turns: what differs is how a line is put together, not what is in it.
    for (const format of at < 6 ? ["text", "json"] : [at % 2 === 0 ? "text" : "json"]) {
      const output = await outputOf(stage, format);
      assert(output.length > 20, "it says something");
      for (const [source, secret] of Object.entries(PLANTED)) {
        assert(!output.includes(secret), `${source} in ${format}:\n${output}`);
      }
      assert.doesNotMatch(output, /eyJ[\w-]{10,}\.[\w-]{10,}/, "a JSON Web Token");
    }
  });
}
