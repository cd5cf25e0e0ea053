/** Every kind of Google credentials against token endpoints that answer as Google's do, and each of them gone wrong. */
import assert from "node:assert/strict";
import { findCredentials, type GoogleCredentials, MetadataServer } from "../../lib/gcp/mod.ts";
import { rsaKeyPair } from "../emulators/certificates.ts";
import { type EmulatedAnswer, type HttpServer, jsonAnswer, startHttpServer } from "../emulators/http_server.ts";
import { startWorld } from "../emulators/world.ts";
import { find } from "./discovery_scene.ts";
import { withDirectory } from "./krun_process.ts";

const ROBOT = "robot@p.iam.gserviceaccount.com";
const POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/p";
const TYPE = "urn:ietf:params:oauth:token-type:jwt";
const { privateKeyPem } = rsaKeyPair();

/** What an endpoint was sent. */
interface Sent {
  path: string;
  authorization: string | undefined;
  /** Of a form or of JSON. */
  fields: Record<string, unknown>;
}

/** The endpoints of all kinds behind one address. */
interface Endpoints extends HttpServer {
  sent: Sent[];
  /** Answers in place of the usual ones, by path. */
  instead: Record<string, EmulatedAnswer>;
  lifetimeSeconds: number;
}

async function startEndpoints(): Promise<Endpoints> {
  const sent: Sent[] = [];
  const instead: Record<string, EmulatedAnswer> = {};
  const server = await startHttpServer({
    handle({ url, headers, body }) {
      const path = url.pathname;
      const text = new TextDecoder().decode(body);
      const fields = text.startsWith("{") ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text));
      sent.push({ path, authorization: headers["authorization"], fields });
      return instead[path] ?? usual(path, endpoints.lifetimeSeconds);
    },
  });
  const endpoints: Endpoints = Object.assign(server, { sent, instead, lifetimeSeconds: 3_600 });
  return endpoints;
}

function usual(path: string, lifetimeSeconds: number): EmulatedAnswer {
  const oauth = (access_token: string) =>
    jsonAnswer(200, { access_token, expires_in: lifetimeSeconds, token_type: "Bearer" });
  if (path === "/oauth") return oauth("token-of-oauth");
  if (path === "/sts" || path === "/sts-oauth") return oauth("token-of-sts");
  if (path === "/subject") return jsonAnswer(200, { id_token: "subject-by-url" });
  if (path.endsWith(":generateAccessToken")) {
    const expireTime = new Date(Date.now() + lifetimeSeconds * 1_000).toISOString();
    return jsonAnswer(200, { accessToken: "token-of-robot", expireTime });
  }
  return jsonAnswer(404, { error: { code: 404, message: `nothing at ${path}` } });
}

interface Scene {
  origin: string;
  directory: string;
}

const key = ({ origin }: Scene) => ({
  type: "service_account",
  client_email: ROBOT,
  private_key: privateKeyPem,
  token_uri: `${origin}/oauth`,
});
const user = ({ origin }: Scene) => ({
  type: "authorized_user",
  client_id: "id",
  client_secret: "client-secret-1",
  refresh_token: "refresh-token-1",
  token_uri: `${origin}/oauth`,
});
const impersonation = ({ origin }: Scene) => ({
  service_account_impersonation_url: `${origin}/v1/projects/-/serviceAccounts/${ROBOT}:generateAccessToken`,
});
const federated = ({ origin }: Scene, source: Record<string, unknown>) => ({
  type: "external_account",
  audience: POOL,
  subject_token_type: TYPE,
  token_url: `${origin}/sts`,
  credential_source: source,
});
const byFile = (scene: Scene) => federated(scene, { file: `${scene.directory}/subject` });
const byUrl = (scene: Scene) =>
  federated(scene, {
    url: `${scene.origin}/subject`,
    format: { type: "json", subject_token_field_name: "id_token" },
  });
const workforceUser = ({ origin }: Scene) => ({
  type: "external_account_authorized_user",
  audience: "//iam.googleapis.com/locations/global/workforcePools/pool/providers/p",
  client_id: "id",
  client_secret: "client-secret-1",
  refresh_token: "refresh-token-1",
  token_url: `${origin}/sts-oauth`,
  token_info_url: `${origin}/introspect`,
});
const GENERATE = `/v1/projects/-/serviceAccounts/${ROBOT}:generateAccessToken`;

interface Kind {
  name: string;
  content: (scene: Scene) => Record<string, unknown>;
  token: string;
  /** The requests it takes, in their order. */
  asked: string[];
  /** Of the last request. */
  sent: Record<string, unknown>;
}

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const exchange = (subject: string) => ({
  audience: POOL,
  subject_token: subject,
  subject_token_type: TYPE,
  scope: SCOPE,
});
const REFRESH = { grant_type: "refresh_token", refresh_token: "refresh-token-1" };
const KINDS: Kind[] = [
  {
    name: "service_account",
    content: key,
    token: "token-of-oauth",
    asked: ["/oauth"],
    sent: { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer" },
  },
  { name: "authorized_user", content: user, token: "token-of-oauth", asked: ["/oauth"], sent: REFRESH },
  {
    name: "impersonated_service_account",
    content: (scene) => ({
      type: "impersonated_service_account",
      ...impersonation(scene),
      source_credentials: user(scene),
    }),
    token: "token-of-robot",
    asked: ["/oauth", GENERATE],
    sent: { scope: [SCOPE] },
  },
  {
    name: "impersonated_service_account from a key",
    content: (scene) => ({
      type: "impersonated_service_account",
      ...impersonation(scene),
      source_credentials: key(scene),
    }),
    token: "token-of-robot",
    asked: ["/oauth", GENERATE],
    sent: { scope: [SCOPE] },
  },
  {
    name: "external_account, subject token in a file",
    content: byFile,
    token: "token-of-sts",
    asked: ["/sts"],
    sent: exchange("subject-by-file"),
  },
  {
    name: "external_account, subject token at a URL",
    content: byUrl,
    token: "token-of-sts",
    asked: ["/subject", "/sts"],
    sent: exchange("subject-by-url"),
  },
  {
    name: "external_account in a file, with impersonation",
    content: (scene) => ({ ...byFile(scene), ...impersonation(scene) }),
    token: "token-of-robot",
    asked: ["/sts", GENERATE],
    sent: { scope: [SCOPE] },
  },
  {
    name: "external_account at a URL, with impersonation",
    content: (scene) => ({ ...byUrl(scene), ...impersonation(scene) }),
    token: "token-of-robot",
    asked: ["/subject", "/sts", GENERATE],
    sent: { scope: [SCOPE] },
  },
  {
    name: "external_account_authorized_user",
    content: workforceUser,
    token: "token-of-sts",
    asked: ["/sts-oauth"],
    sent: REFRESH,
  },
];

const metadata = new MetadataServer({ host: "metadata.invalid", fetch: () => Promise.reject(new Error("not asked")) });

async function withCredentials(
  content: (scene: Scene) => Record<string, unknown>,
  test: (
    scene: Scene & { endpoints: Endpoints; file: string; ask: (now?: () => number) => Promise<GoogleCredentials> },
  ) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    await using endpoints = await startEndpoints();
    const scene = { origin: endpoints.origin, directory };
    const file = `${directory}/adc.json`;
    await Deno.writeTextFile(`${directory}/subject`, "subject-by-file");
    await Deno.writeTextFile(file, JSON.stringify(content(scene)));
    await test({
      ...scene,
      endpoints,
      file,
      ask: (now) => findCredentials({ file, metadata, ...(now ? { now } : {}) }),
    });
  });
}

for (const { name, content, token, asked, sent } of KINDS) {
  Deno.test(`credentials: ${name} gives a token, asked for once`, () =>
    withCredentials(content, async ({ endpoints, file, ask }) => {
      const credentials = await ask();
      assert.equal(credentials.origin, `${file} (${content({ origin: "", directory: "" })["type"]})`);
      const tokens = await Promise.all([1, 2, 3].map(() => credentials.accessToken()));
      assert.deepEqual(tokens.map((one) => one.reveal()), [token, token, token]);
      assert.deepEqual(endpoints.sent.map(({ path }) => path), asked);
      const last = endpoints.sent.at(-1)!;
      for (const [field, value] of Object.entries(sent)) assert.deepEqual(last.fields[field], value, field);
      if (asked.at(-1) === GENERATE) {
        const source = asked.includes("/sts") ? "token-of-sts" : "token-of-oauth";
        assert.equal(last.authorization, `Bearer ${source}`);
      }
    }));

  // google-auth-library goes by the real clock alone.
  const byLibrary = name.startsWith("external");
  Deno.test(`credentials: ${name} is asked again from a minute before the end`, () =>
    withCredentials(content, async ({ endpoints, ask }) => {
      let ahead = 0;
      const credentials = await ask(() => Date.now() + ahead);
      if (byLibrary) endpoints.lifetimeSeconds = 59;
      await credentials.accessToken();
      if (!byLibrary) {
        ahead = 3_500_000;
        await credentials.accessToken();
        assert.equal(endpoints.sent.length, asked.length, "kept until then");
        ahead = 3_545_000;
      }
      await credentials.accessToken();
      assert.equal(endpoints.sent.length, 2 * asked.length);
    }));
}

interface Wrong {
  name: string;
  content: (scene: Scene) => Record<string, unknown>;
  /** Path → answer. */
  instead?: Record<string, EmulatedAnswer>;
  message: RegExp;
  /** How many requests at most. */
  requests: number;
}

const without = (content: Wrong["content"], ...names: string[]): Wrong["content"] => (scene) =>
  Object.fromEntries(Object.entries(content(scene)).filter(([name]) => !names.includes(name)));
const refusal = (error: string, error_description: string) => jsonAnswer(400, { error, error_description });
const denied = jsonAnswer(403, { error: { code: 403, status: "PERMISSION_DENIED", message: "no impersonation" } });
const WRONG: Wrong[] = [
  {
    name: "service_account: the key is revoked",
    content: key,
    instead: { "/oauth": refusal("invalid_grant", "Invalid JWT Signature.") },
    message:
      /^HttpError: get an access token for robot@p\S* \(POST http:\S+\/oauth\)\n {2}got: 400 invalid_grant: Invalid JWT Signature\.\n {2}do: check that the file is whole/,
    requests: 1,
  },
  {
    name: "service_account: without its key",
    content: without(key, "private_key"),
    message:
      /^Problem: read Google credentials from \S+ \(service_account\)\n {2}got: a file without its expected form at private_key/,
    requests: 0,
  },
  {
    name: "authorized_user: the refresh token has ended",
    content: user,
    instead: { "/oauth": refusal("invalid_grant", "Token has been expired or revoked.") },
    message:
      /^HttpError: refresh the access token of a user .*\n {2}got: 400 invalid_grant: Token has been .*\n {2}do: gcloud auth application-default login$/,
    requests: 1,
  },
  {
    name: "impersonated_service_account: the role is missing",
    content: KINDS[2]!.content,
    instead: { [GENERATE]: denied },
    message:
      /by impersonation .*\n {2}got: 403 PERMISSION_DENIED: no impersonation\n {2}do: grant iam.serviceAccounts.getAccessToken/,
    requests: 2,
  },
  {
    name: "impersonated_service_account: without its source",
    content: without(KINDS[2]!.content, "source_credentials"),
    message: /\(impersonated_service_account\)\n {2}got: no service_account_impersonation_url with source_credentials/,
    requests: 0,
  },
  {
    name: "external_account: no subject token in its place",
    content: (scene) => federated(scene, { file: `${scene.directory}/missing` }),
    message:
      /^Problem: get a Google access token from \S+ \(external_account\)\n {2}got: .*missing.*\n {2}do: check that the file is whole/,
    requests: 0,
  },
  {
    name: "external_account: the URL of the subject token answers 404",
    content: (scene) => federated(scene, { url: `${scene.origin}/nowhere` }),
    message: /\(external_account\)\n {2}got: .*404/,
    requests: 1,
  },
  {
    name: "external_account: the exchange is refused",
    content: byFile,
    instead: { "/sts": refusal("invalid_grant", "The given credential is rejected by the attribute condition.") },
    message: /\(external_account\)\n {2}got: .*invalid_grant.*attribute condition/,
    requests: 1,
  },
  {
    name: "external_account: impersonation is refused",
    content: KINDS[6]!.content,
    instead: { [GENERATE]: denied },
    message: /\(external_account\)\n {2}got: .*no impersonation/,
    requests: 2,
  },
  {
    name: "external_account: without a source",
    content: without(byFile, "credential_source"),
    message: /\(external_account\)\n {2}got: A credential source or subject token supplier must be specified/,
    requests: 0,
  },
  {
    name: "external_account_authorized_user: signed out",
    content: workforceUser,
    instead: { "/sts-oauth": refusal("invalid_grant", "Token has been revoked.") },
    message: /\(external_account_authorized_user\)\n {2}got: .*invalid_grant.*revoked/,
    requests: 1,
  },
];

for (const { name, content, instead = {}, message, requests } of WRONG) {
  Deno.test(`credentials gone wrong: ${name}`, () =>
    withCredentials(content, async ({ endpoints, ask }) => {
      Object.assign(endpoints.instead, instead);
      const failed = ask().then((credentials) => credentials.accessToken());
      await assert.rejects(failed, (error: unknown) => {
        assert.match(String(error), message);
        assert.doesNotMatch(String(error), /subject-by|client-secret|refresh-token|PRIVATE KEY/);
        return true;
      });
      assert.equal(endpoints.sent.length, requests);
    }));
}

Deno.test("credentials: the metadata server's token, one request for all who ask at once", async () => {
  await using world = await startWorld();
  let now = Date.now();
  const server = new MetadataServer({ host: world.metadata.host, now: () => now });
  const credentials = await findCredentials({ metadata: server, now: () => now });
  assert.equal(credentials.origin, `metadata server ${world.metadata.host}`);
  const tokens = await Promise.all([1, 2, 3].map(async () => (await credentials.accessToken()).reveal()));
  assert.equal(new Set(tokens).size, 1);
  assert.equal(world.accessTokens.ownerOf(tokens[0]!), world.metadata.state.email);
  const asked = () => world.metadata.faults.seen(/default\/token$/).length;
  now += 3_535_000;
  await credentials.accessToken();
  assert.equal(asked(), 1);
  now += 6_000;
  await credentials.accessToken();
  assert.equal(asked(), 2);
});

Deno.test("credentials: what GOOGLE_APPLICATION_CREDENTIALS names lists the clusters and signs in to them", () =>
  withCredentials(user, async ({ endpoints, file }) => {
    await using world = await startWorld();
    const email = world.metadata.state.email;
    world.accessTokens.add("token-of-oauth", email);
    const { cluster } = await find(world, { GOOGLE_APPLICATION_CREDENTIALS: file });
    assert.equal(cluster, "GKE cluster istio-demo in us-central1");
    assert.equal(endpoints.sent.length, 1);
    assert.deepEqual(world.metadata.faults.seen(/token$/), []);
    assert.deepEqual(world.kubernetes.faults.requests.map(({ user }) => user), [email, email]);
  }));
