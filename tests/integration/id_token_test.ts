/** ID tokens by every kind of credentials that has them, and each of them gone wrong. */
import assert from "node:assert/strict";
import { findCredentials, type IdTokenSource, MetadataServer } from "../../lib/gcp/mod.ts";
import { AccessTokens } from "../emulators/access_tokens.ts";
import { rsaKeyPair } from "../emulators/certificates.ts";
import type { FaultRule } from "../emulators/faults.ts";
import { googleErrorBody } from "../emulators/google_api.ts";
import { startHttpServer } from "../emulators/http_server.ts";
import { startIamCredentials } from "../emulators/iam_credentials.ts";
import { type Claims, createSigner, verifySignature } from "../emulators/json_web_token.ts";
import { startMetadata } from "../emulators/metadata.ts";
import { startTokenEndpoint } from "../emulators/token_endpoint.ts";
import { withDirectory } from "./krun_process.ts";

const AUDIENCE = "https://web-abc-uc.a.run.app";
const ROBOT = "robot@p.iam.gserviceaccount.com";
const POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/p";
const { privateKeyPem, publicKeyPem } = rsaKeyPair();
const signer = createSigner();

interface Scene {
  directory: string;
  metadata: Awaited<ReturnType<typeof startMetadata>>;
  iam: Awaited<ReturnType<typeof startIamCredentials>>;
  tokens: Awaited<ReturnType<typeof startTokenEndpoint>>;
  /** Of the token exchange for federated identities. */
  sts: Awaited<ReturnType<typeof startHttpServer>>;
}

async function inScene(test: (scene: Scene) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const accessTokens = new AccessTokens();
    await using started = new AsyncDisposableStack();
    const metadata = started.use(await startMetadata({ accessTokens, signer, email: ROBOT }));
    const iam = started.use(await startIamCredentials({ accessTokens, signer, accounts: [ROBOT] }));
    const tokens = started.use(
      await startTokenEndpoint({
        accessTokens,
        signer,
        keys: { [ROBOT]: publicKeyPem },
        users: { "refresh-token-1": "person@example.com" },
      }),
    );
    const sts = started.use(
      await startHttpServer({
        handle: () => ({
          status: 200,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ access_token: accessTokens.issue("principal://subject"), expires_in: 3600 }),
        }),
      }),
    );
    await Deno.writeTextFile(`${directory}/subject`, "subject-token");
    await test({ directory, metadata, iam, tokens, sts });
  });
}

type Content = (scene: Scene) => Record<string, unknown>;
const key: Content = ({ tokens }) => ({
  type: "service_account",
  client_email: ROBOT,
  private_key: privateKeyPem,
  token_uri: tokens.url,
});
const user: Content = ({ tokens }) => ({
  type: "authorized_user",
  client_id: "id",
  client_secret: "client-secret-1",
  refresh_token: "refresh-token-1",
  token_uri: tokens.url,
});
const target = ({ iam }: Scene) => `${iam.origin}/v1/projects/-/serviceAccounts/${ROBOT}:generateAccessToken`;
const impersonated: Content = (scene) => ({
  type: "impersonated_service_account",
  service_account_impersonation_url: target(scene),
  source_credentials: user(scene),
});
const federated: Content = (scene) => ({
  type: "external_account",
  audience: POOL,
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  token_url: scene.sts.origin,
  credential_source: { file: `${scene.directory}/subject` },
});
const federatedRobot: Content = (scene) => ({
  ...federated(scene),
  service_account_impersonation_url: target(scene),
});
const workforceUser: Content = ({ sts }) => ({
  type: "external_account_authorized_user",
  audience: "//iam.googleapis.com/locations/global/workforcePools/pool/providers/p",
  client_id: "id",
  client_secret: "client-secret-1",
  refresh_token: "refresh-token-1",
  token_url: sts.origin,
});

/** The credentials of `content`; without, the metadata server's. */
async function source(scene: Scene, content: Content | undefined): Promise<IdTokenSource> {
  const metadata = new MetadataServer({ host: scene.metadata.host });
  if (!content) return await findCredentials({ metadata });
  const file = `${scene.directory}/adc.json`;
  await Deno.writeTextFile(file, JSON.stringify(content(scene)));
  return await findCredentials({ file, metadata });
}

const requests = ({ metadata, iam, tokens, sts }: Scene) =>
  [metadata, iam, tokens, sts].flatMap(({ faults }) => faults.requests).length;

const KINDS: [name: string, content: Content | undefined, first: number, second: number][] = [
  ["metadata server", undefined, 1, 1],
  ["service_account", key, 1, 1],
  ["impersonated_service_account", impersonated, 2, 1],
  [
    "impersonated_service_account from a key",
    (scene) => ({ ...impersonated(scene), source_credentials: key(scene) }),
    2,
    1,
  ],
  ["external_account with an account", federatedRobot, 2, 1],
];
for (const [name, content, first, second] of KINDS) {
  Deno.test(`ID token by ${name}: for the audience, of the account, and the access token on the way is kept`, () =>
    inScene(async (scene) => {
      const from = await source(scene, content);
      const { value, issuedAt, expiresAt } = await from.idToken(AUDIENCE);
      const claims = verifySignature(value.reveal(), signer.jwks);
      assert.deepEqual([claims?.aud, claims?.email], [AUDIENCE, ROBOT]);
      assert.equal(expiresAt - issuedAt, 3_600_000);
      assert.equal(requests(scene), first);
      const other = await from.idToken("https://other.example/?a=b&c");
      assert.equal(verifySignature(other.value.reveal(), signer.jwks)?.aud, "https://other.example/?a=b&c");
      assert.equal(requests(scene), first + second);
    }));
}

const NONE: [name: string, content: Content, fix: RegExp][] = [
  ["authorized_user", user, /gcloud auth application-default login --impersonate-service-account EMAIL$/],
  ["external_account", federated, /create-cred-config PROVIDER --service-account EMAIL …$/],
  ["external_account_authorized_user", workforceUser, /--impersonate-service-account EMAIL$/],
];
for (const [name, content, fix] of NONE) {
  Deno.test(`ID token by ${name}: there is none, and what to do`, () =>
    inScene(async (scene) => {
      const from = await source(scene, content);
      await assert.rejects(from.idToken(AUDIENCE), (error: Error) => {
        assert.match(
          error.message,
          /^get an ID token by \S+ \(\w+\)\n {2}got: credentials that stand for no service account/,
        );
        assert.match(error.message, fix);
        return true;
      });
      assert.equal(requests(scene), 0);
    }));
}

/** Sources that answer by themselves, and the emulator whose answer is the token. */
const ANSWERING = [
  ["metadata server", undefined, (scene: Scene) => scene.metadata],
  ["service_account", key, (scene: Scene) => scene.tokens],
  ["external_account with an account", federatedRobot, (scene: Scene) => scene.iam],
] as const;
const google = { "metadata-flavor": "Google", "content-type": "application/json" };
const MENDED: [name: string, rule: Omit<FaultRule, "match">][] = [
  ["429", { times: 1, status: 429, headers: google }],
  ["503", { times: 2, status: 503, headers: google }],
  ["a slow answer", { times: 1, delayMs: 600 }],
];
const claims = (scene: Scene, changed: Claims) => {
  for (const { state } of [scene.metadata, scene.tokens, scene.iam]) state.idTokenClaims = changed;
};
const ended = () => ({ iat: Math.floor(Date.now() / 1_000) - 7_200, exp: Math.floor(Date.now() / 1_000) - 3_600 });
const WRONG: [name: string, prepare: (scene: Scene) => void, got: RegExp][] = [
  ["another audience", (scene) => claims(scene, { aud: "https://evil.example" }), /made for another audience/],
  ["a token that has ended", (scene) => claims(scene, ended()), /has ended\n {2}do: check this machine's clock/],
];
const answer = /identity|token$|generateIdToken/;
for (const [kind, content, of] of ANSWERING) {
  for (const [name, rule] of MENDED) {
    Deno.test(`ID token by ${kind}: ${name} is no failure`, () =>
      inScene(async (scene) => {
        of(scene).faults.add({ match: answer, ...rule });
        await (await source(scene, content)).idToken(AUDIENCE);
        assert.equal(of(scene).faults.seen(answer).length, 1 + (rule.status ? rule.times! : 0));
      }));
  }
  for (const [name, prepare, got] of WRONG) {
    Deno.test(`ID token by ${kind}: ${name} is refused`, () =>
      inScene(async (scene) => {
        prepare(scene);
        await assert.rejects((await source(scene, content)).idToken(AUDIENCE), got);
      }));
  }
  Deno.test(`ID token by ${kind}: an answer of another form is a Problem that does not show it`, () =>
    inScene(async (scene) => {
      of(scene).faults.add({ match: answer, status: 200, headers: google, body: '{"planted-secret": 1}' });
      await assert.rejects((await source(scene, content)).idToken(AUDIENCE), (error: Error) => {
        assert.equal(error.name, "Problem");
        assert.doesNotMatch(error.message, /planted/);
        return true;
      });
    }));
  Deno.test(`ID token by ${kind}: who asked can call it off`, () =>
    inScene(async (scene) => {
      of(scene).faults.add({ match: answer, action: "hang" });
      const from = await source(scene, content);
      const stop = new AbortController();
      const asked = assert.rejects(from.idToken(AUDIENCE, { signal: stop.signal }));
      while (of(scene).faults.seen(answer).length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      stop.abort(new Error("over"));
      await asked;
    }));
}

const DENIED: [name: string, prepare: (scene: Scene) => void, message: RegExp][] = [
  [
    "the role is missing",
    ({ iam }) => iam.deniedPermissions.add("iam.serviceAccounts.getOpenIdToken"),
    /^get an ID token for robot@p\S* by impersonation \(POST \S+:generateIdToken\)\n {2}got: 403 .*getOpenIdToken.*\n {2}do: grant iam.serviceAccounts.getOpenIdToken.*add-iam-policy-binding robot@p\S* --member MEMBER --role roles\/iam.serviceAccountOpenIdTokenCreator$/,
  ],
  [
    "the account is not there",
    ({ iam }) => iam.state.accounts = [],
    /got: 404 .*\n {2}do: grant .*if the account is there/,
  ],
  [
    "the API is off",
    ({ iam }) =>
      iam.faults.add({
        match: /generateIdToken/,
        status: 403,
        body: googleErrorBody(403, "IAM Service Account Credentials API has not been used in project 1 before"),
      }),
    /do: gcloud services enable iamcredentials.googleapis.com --project p$/,
  ],
];
for (const [name, prepare, message] of DENIED) {
  Deno.test(`ID token by impersonation: ${name}`, () =>
    inScene(async (scene) => {
      prepare(scene);
      await assert.rejects((await source(scene, impersonated)).idToken(AUDIENCE), { message });
    }));
}

Deno.test("ID token by the metadata server: an account that has none is told what to do", () =>
  inScene(async (scene) => {
    scene.metadata.faults.add({ match: /identity/, status: 404, headers: google, body: "Not Found" });
    await assert.rejects((await source(scene, undefined)).idToken(AUDIENCE), {
      message:
        /^read instance\/service-accounts\/default\/identity from the metadata server \(GET \S+\/identity\)\n {2}got: 404.*\n {2}do: give the instance a service account; on GKE .*gcp-service-account=EMAIL/,
    });
  }));

Deno.test("ID token by service_account: a key that is not the account's", () =>
  inScene(async (scene) => {
    scene.tokens.state.keys[ROBOT] = signer.publicKeyPem;
    await assert.rejects((await source(scene, key)).idToken(AUDIENCE), {
      message:
        /^get an ID token for robot@p\S* \(POST \S+\)\n {2}got: 400 invalid_grant: Invalid JWT Signature\.\n {2}do: check/,
    });
  }));
