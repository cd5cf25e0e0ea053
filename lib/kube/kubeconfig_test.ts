import assert from "node:assert/strict";
import fc from "fast-check";
import { Problem } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { readKubeconfig } from "./kubeconfig.ts";

interface Parts {
  cluster?: Record<string, unknown>;
  user?: Record<string, unknown>;
  context?: Record<string, unknown>;
  top?: Record<string, unknown>;
}

function kubeconfig({ cluster, user, context, top }: Parts = {}): string {
  return JSON.stringify({
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "k", user: "u", ...context } }],
    clusters: [{ name: "k", cluster: { server: "https://k.example:6443", ...cluster } }],
    users: [{ name: "u", user: user ?? { token: "planted-token-1" } }],
    ...top,
  });
}

async function withFile<T>(text: string, use: (path: string, directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/config`, text);
    return await use(`${directory}/config`, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const headerOf = async (
  user: Record<string, unknown>,
  files: Record<string, string> = {},
  googleToken?: () => Promise<Secret>,
) =>
  await withFile(kubeconfig({ user }), async (path, directory) => {
    for (const [name, content] of Object.entries(files)) await Deno.writeTextFile(`${directory}/${name}`, content);
    const { access } = await readKubeconfig(path, { environment: {}, googleToken });
    return (await access.authorization?.())?.reveal();
  });

Deno.test("kubeconfig: YAML, its context's namespace and name", () =>
  withFile(
    "current-context: a\ncontexts:\n- name: a\n  context: {cluster: k, namespace: ns}\n- name: b\n  context: {cluster: k}\n" +
      "clusters:\n- name: k\n  cluster: {server: https://k.example}\n",
    async (path) => {
      const { namespace, context, access } = await readKubeconfig(path, { environment: {} });
      assert.deepEqual([namespace, context, access.server], ["ns", "a", "https://k.example"]);
      assert.equal(access.authorization, undefined);
      assert.equal((await readKubeconfig(path, { environment: {}, context: "b" })).context, "b");
    },
  ));

Deno.test("kubeconfig: token, tokenFile beside the file, user and password", async () => {
  assert.equal(await headerOf({ token: "t-12345678" }), "Bearer t-12345678");
  assert.equal(await headerOf({ tokenFile: "tok" }, { tok: "of-file-123\n" }), "Bearer of-file-123");
  assert.equal(await headerOf({ username: "ü", password: "pässword" }), "Basic w7w6cMOkc3N3b3Jk");
  assert.equal(await headerOf({}), undefined);
});

Deno.test("kubeconfig: a client certificate by data and by file", () =>
  withFile(
    kubeconfig({ user: { "client-certificate-data": btoa("CERT"), "client-key": "key.pem" } }),
    async (path, directory) => {
      await Deno.writeTextFile(`${directory}/key.pem`, "KEY OF THE CLIENT");
      const { certificate } = (await readKubeconfig(path, { environment: {} })).access;
      assert.equal(certificate?.cert, "CERT");
      assert.equal(certificate?.key.reveal(), "KEY OF THE CLIENT");
    },
  ));

const script = (text: string) => ({
  exec: { apiVersion: "client.authentication.k8s.io/v1", command: "/bin/sh", args: ["-c", text] },
});

Deno.test("exec plugin: its token, with what it is told about the cluster", async () => {
  const { exec } = script(
    'echo "{\\"status\\": {\\"token\\": \\"$GIVEN-$(echo $KUBERNETES_EXEC_INFO | cut -c 1-15 | tr -dc a-zA-Z)\\"}}"',
  );
  assert.equal(
    await headerOf({ exec: { ...exec, env: [{ name: "GIVEN", value: "from-env" }] } }),
    "Bearer from-env-apiVersion",
  );
});

Deno.test("exec plugin: its token is kept until a minute before the end it names", async () => {
  for (const [expires, runs] of [["2099-01-01T00:00:00Z", 1], ["2020-01-01T00:00:00Z", 2]] as const) {
    await withFile("", async (_path, directory) => {
      const { exec } = script(
        `echo x >> ${directory}/runs; echo '{"status": {"token": "t-12345678", "expirationTimestamp": "${expires}"}}'`,
      );
      await Deno.writeTextFile(`${directory}/config`, kubeconfig({ user: { exec } }));
      const { access } = await readKubeconfig(`${directory}/config`, { environment: {} });
      await access.authorization!();
      await access.authorization!();
      assert.equal((await Deno.readTextFile(`${directory}/runs`)).length, 2 * runs, expires);
    });
  }
});

Deno.test("exec plugin: Google's own, where it is not installed, is spoken for", async () => {
  const googleToken = () => Promise.resolve(new Secret("google-token-1"));
  assert.equal(
    await headerOf({ exec: { command: "/no/such/gke-gcloud-auth-plugin" } }, {}, googleToken),
    "Bearer google-token-1",
  );
});

const BY_HAND = "\n  do: run it by hand to see why (its output is not shown here: it may hold credentials)";
const PLUGIN_ERRORS: [name: string, exec: Record<string, unknown>, message: string][] = [
  [
    "it fails",
    script("echo planted; echo planted >&2; exit 3").exec,
    `run credential plugin /bin/sh\n  got: exit code 3${BY_HAND}`,
  ],
  [
    "it says no JSON",
    script("echo planted").exec,
    "run credential plugin /bin/sh\n  got: an answer that is no JSON (8 bytes)",
  ],
  [
    "it gives no token",
    script("echo '{\"status\": {}}'").exec,
    "run credential plugin /bin/sh\n  got: an answer without status.token\n  do: use a plugin that gives bearer tokens",
  ],
  [
    "it is not there",
    { command: "no-such-plugin", installHint: "get it from example.com" },
    "run credential plugin no-such-plugin\n  got: no such command\n  do: get it from example.com",
  ],
];
for (const [name, exec, message] of PLUGIN_ERRORS) {
  Deno.test(`exec plugin: ${name}`, () => assert.rejects(headerOf({ exec }), { message }));
}

const WRONG: [name: string, text: string, got: string][] = [
  ["no current context", kubeconfig({ top: { "current-context": "" } }), "no current context among c"],
  ["no such context", kubeconfig({ top: { "current-context": "x" } }), 'no context "x" among c'],
  [
    "no such cluster",
    kubeconfig({ context: { cluster: "x" } }),
    'context "c" names cluster "x", which is not in the file',
  ],
  ["no such user", kubeconfig({ context: { user: "x" } }), 'context "c" names user "x", which is not in the file'],
  [
    "insecure-skip-tls-verify",
    kubeconfig({ cluster: { "insecure-skip-tls-verify": true } }),
    'cluster "k" has insecure-skip-tls-verify: tokens would go to anyone',
  ],
  [
    "http",
    kubeconfig({ cluster: { server: "http://k.example" } }),
    'cluster "k" has server "http://k.example", which is no https URL',
  ],
  ["no URL", kubeconfig({ cluster: { server: "k" } }), 'cluster "k" has server "k", which is no https URL'],
  [
    "a CA that is no base64",
    kubeconfig({ cluster: { "certificate-authority-data": "!" } }),
    "certificate-authority-data is not base64",
  ],
  [
    "a certificate without its key",
    kubeconfig({ user: { "client-certificate-data": btoa("CERT") } }),
    'user "u" has a client certificate or its key, but not both',
  ],
  [
    "auth-provider",
    kubeconfig({ user: { "auth-provider": { name: "gcp" } } }),
    'auth-provider "gcp", which Kubernetes removed in 1.26',
  ],
  [
    "a token that is no text",
    kubeconfig({ user: { token: 12345678 } }),
    "a file without a kubeconfig's form at users.0.user.token: expected string, got a value of type number",
  ],
  ["not even YAML", 'users: "planted', "neither JSON nor YAML: broken at line 1"],
];
for (const [name, text, got] of WRONG) {
  Deno.test(`kubeconfig: ${name}`, () =>
    withFile(text, (path) =>
      assert.rejects(readKubeconfig(path, { environment: {} }), (error: unknown) => {
        assert(error instanceof Problem);
        assert.equal(error.tried, `read kubeconfig ${path}`);
        assert.equal(error.got, got);
        return true;
      })));
}

Deno.test("kubeconfig: no such file", () =>
  assert.rejects(readKubeconfig("/no/such", { environment: {} }), {
    message: "read kubeconfig /no/such\n  got: no such file\n  do: check KUBECONFIG",
  }));

Deno.test("kubeconfig: any text gives access or a Problem", async () => {
  const part = fc.dictionary(
    fc.constantFrom(
      "server",
      "token",
      "exec",
      "proxy-url",
      "certificate-authority-data",
      "client-key-data",
      "username",
    ),
    fc.oneof(fc.string(), fc.jsonValue()),
  );
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ cluster: part, user: part, context: part }).map((parts) => kubeconfig(parts)),
  );
  await fc.assert(
    fc.asyncProperty(text, (text) =>
      withFile(text, async (path) => {
        await readKubeconfig(path, { environment: {} }).catch((error) =>
          assert(error instanceof Problem, Deno.inspect(error))
        );
      })),
    { numRuns: 200 },
  );
});
