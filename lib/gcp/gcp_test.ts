import assert from "node:assert/strict";
import { createVerify } from "node:crypto";
import { Problem } from "../base/errors.ts";
import type { Fetch } from "../base/http.ts";
import { Secret } from "../base/secret.ts";
import { rsaKeyPair } from "../../tests/emulators/certificates.ts";
import { findCredentials } from "./credentials.ts";
import { getCluster, listClusters } from "./gke.ts";
import { MetadataServer } from "./metadata.ts";
import { projectLabels } from "./projects.ts";

interface Sent {
  url: string;
  form: Record<string, string>;
  json: Record<string, unknown>;
  authorization: string | null;
}

/** A token endpoint: keeps what is sent, answers with what `answer` makes of it. */
function endpoint(answer: (sent: Sent) => Response): Fetch & { sent: Sent[] } {
  const sent: Sent[] = [];
  const send = (url: string, init: RequestInit) => {
    const { body } = init;
    const request = {
      url,
      form: body instanceof URLSearchParams ? Object.fromEntries(body) : {},
      json: typeof body === "string" ? JSON.parse(body) : {},
      authorization: new Headers(init.headers).get("authorization"),
    };
    sent.push(request);
    return Promise.resolve(answer(request));
  };
  return Object.assign(send as Fetch, { sent });
}

async function withFile(content: unknown, test: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(path, typeof content === "string" ? content : JSON.stringify(content));
    await test(path);
  } finally {
    await Deno.remove(path);
  }
}

const metadata = new MetadataServer({ host: "metadata.invalid", fetch: () => Promise.reject(new Error("not asked")) });
const { publicKeyPem, privateKeyPem } = rsaKeyPair();
const KEY = {
  type: "service_account",
  client_email: "robot@p.iam.gserviceaccount.com",
  private_key: privateKeyPem,
  private_key_id: "k1",
  token_uri: "https://tokens.example/token",
};
const USER = {
  type: "authorized_user",
  client_id: "id",
  client_secret: "client-secret-1",
  refresh_token: "refresh-token-1",
};

Deno.test("a service account's key: an assertion signed with it goes to its own token_uri", () =>
  withFile(KEY, async (file) => {
    const fetch = endpoint(() => Response.json({ access_token: "answer-token", expires_in: 3600 }));
    const now = () => 1_700_000_000_000;
    const credentials = await findCredentials({ file, metadata, fetch, now });
    assert.equal((await credentials.accessToken()).reveal(), "answer-token");
    assert.equal(credentials.origin, `${file} (service_account)`);
    const [{ url, form }] = fetch.sent as [Sent];
    assert.equal(url, KEY.token_uri);
    assert.equal(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    const [header, claims, signature] = form["assertion"]!.split(".") as [string, string, string];
    assert(createVerify("RSA-SHA256").update(`${header}.${claims}`).verify(publicKeyPem, signature, "base64url"));
    assert.deepEqual(JSON.parse(atob(header)), { alg: "RS256", typ: "JWT", kid: "k1" });
    assert.deepEqual(JSON.parse(atob(claims)), {
      iss: KEY.client_email,
      scope: "https://www.googleapis.com/auth/cloud-platform",
      aud: KEY.token_uri,
      iat: 1_700_000_000,
      exp: 1_700_003_600,
    });
  }));

Deno.test("a user's refresh token", () =>
  withFile(USER, async (file) => {
    const fetch = endpoint(() => Response.json({ access_token: "answer-token", expires_in: 3600 }));
    const credentials = await findCredentials({ file, metadata, fetch });
    assert.equal((await credentials.accessToken()).reveal(), "answer-token");
    const [{ url, form }] = fetch.sent as [Sent];
    assert.equal(url, "https://oauth2.googleapis.com/token");
    const { type: _, ...members } = USER;
    assert.deepEqual(form, { grant_type: "refresh_token", ...members });
  }));

const TARGET = "https://iam.example/v1/projects/-/serviceAccounts/robot@p.iam.gserviceaccount.com:generateAccessToken";
Deno.test("an impersonated account: the user's token asks for the account's", () =>
  withFile({
    type: "impersonated_service_account",
    service_account_impersonation_url: TARGET,
    delegates: ["d1"],
    source_credentials: USER,
  }, async (file) => {
    const fetch = endpoint(({ url }) =>
      url === TARGET
        ? Response.json({ accessToken: "robot-token", expireTime: "2099-01-01T00:00:00Z" })
        : Response.json({ access_token: "user-token", expires_in: 3600 })
    );
    const credentials = await findCredentials({ file, metadata, fetch });
    assert.equal((await credentials.accessToken()).reveal(), "robot-token");
    const [, { json, authorization }] = fetch.sent as [Sent, Sent];
    assert.equal(authorization, "Bearer user-token");
    assert.deepEqual(json, {
      scope: ["https://www.googleapis.com/auth/cloud-platform"],
      lifetime: "3600s",
      delegates: ["d1"],
    });
  }));

const REFUSED: [name: string, content: unknown, answer: Response, message: (path: string) => string][] = [
  [
    "a user whose refresh token has ended",
    USER,
    Response.json({ error: "invalid_grant", error_description: "Token has been expired or revoked." }, { status: 400 }),
    () =>
      "refresh the access token of a user (POST https://oauth2.googleapis.com/token)\n" +
      "  got: 400 invalid_grant: Token has been expired or revoked.\n  do: gcloud auth application-default login",
  ],
  [
    "an answer without a token",
    KEY,
    Response.json({ id_token: "planted" }),
    () =>
      "get an access token for robot@p.iam.gserviceaccount.com\n" +
      '  got: an answer without its expected form at access_token: expected "access_token", got nothing',
  ],
  [
    "a key that is none",
    { ...KEY, private_key: "planted-key" },
    new Response(),
    () =>
      "sign with the key of robot@p.iam.gserviceaccount.com\n  got: private_key is no RSA key in PEM\n" +
      "  do: check that the file is whole and its account is enabled",
  ],
  [
    "a member that is missing",
    { ...USER, refresh_token: undefined },
    new Response(),
    (path) =>
      `read Google credentials from ${path} (authorized_user)\n` +
      '  got: a file without its expected form at refresh_token: expected "refresh_token", got nothing\n' +
      "  do: gcloud auth application-default login",
  ],
  [
    "a type nobody knows",
    { type: "gdch" },
    new Response(),
    (path) =>
      `read Google credentials from ${path} (gdch)\n  got: a type that is not known\n` +
      "  do: use service_account, authorized_user, impersonated_service_account, external_account or external_account_authorized_user",
  ],
  [
    "no JSON",
    "planted",
    new Response(),
    (path) =>
      `read Google credentials from ${path}\n  got: a file that is no JSON\n` +
      "  do: set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run: gcloud auth application-default login",
  ],
];
for (const [name, content, answer, message] of REFUSED) {
  Deno.test(`credentials: ${name}`, () =>
    withFile(content, async (file) => {
      const asked = findCredentials({ file, metadata, fetch: endpoint(() => answer) }).then((found) =>
        found.accessToken()
      );
      await assert.rejects(asked, (error: unknown) => {
        assert(error instanceof Problem);
        assert.equal(error.message, message(file));
        return true;
      });
    }));
}

Deno.test("credentials: impersonation that is not allowed names the role", () =>
  withFile({
    type: "impersonated_service_account",
    service_account_impersonation_url: TARGET,
    source_credentials: USER,
  }, async (file) => {
    const fetch = endpoint(({ url }) =>
      url === TARGET
        ? Response.json({ error: { status: "PERMISSION_DENIED", message: "no" } }, { status: 403 })
        : Response.json({ access_token: "user-token", expires_in: 3600 })
    );
    const credentials = await findCredentials({ file, metadata, fetch });
    await assert.rejects(credentials.accessToken(), {
      message: `get an access token for robot@p.iam.gserviceaccount.com by impersonation (POST ${TARGET})\n` +
        "  got: 403 PERMISSION_DENIED: no\n  do: grant iam.serviceAccounts.getAccessToken: " +
        "gcloud iam service-accounts add-iam-policy-binding robot@p.iam.gserviceaccount.com --member MEMBER " +
        "--role roles/iam.serviceAccountTokenCreator",
    });
  }));

Deno.test("credentials: one request for all who ask at once, and again a minute before the end", () =>
  withFile(USER, async (file) => {
    let now = 0;
    const fetch = endpoint(() => Response.json({ access_token: `token-${fetch.sent.length}`, expires_in: 600 }));
    const credentials = await findCredentials({ file, metadata, fetch, now: () => now });
    const ask = async () => (await credentials.accessToken()).reveal();
    assert.deepEqual(await Promise.all([ask(), ask(), ask()]), ["token-1", "token-1", "token-1"]);
    now = 540_000;
    assert.equal(await ask(), "token-1");
    now = 540_001;
    assert.equal(await ask(), "token-2");
    assert.equal(fetch.sent.length, 2);
  }));

Deno.test("credentials: a failure is not kept", () =>
  withFile(USER, async (file) => {
    const fetch = endpoint(() =>
      fetch.sent.length === 1
        ? new Response("", { status: 401 })
        : Response.json({ access_token: "token", expires_in: 600 })
    );
    const credentials = await findCredentials({ file, metadata, fetch });
    await assert.rejects(credentials.accessToken());
    assert.equal((await credentials.accessToken()).reveal(), "token");
  }));

Deno.test("credentials: Google's own order: the file named, gcloud's own, the metadata server", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const own = `${directory}/application_default_credentials.json`;
    assert.equal(
      (await findCredentials({ gcloudDirectory: directory, metadata })).origin,
      "metadata server metadata.invalid",
    );
    await Deno.writeTextFile(own, JSON.stringify(USER));
    assert.equal((await findCredentials({ gcloudDirectory: directory, metadata })).origin, `${own} (authorized_user)`);
    await withFile(KEY, async (file) => {
      const { origin } = await findCredentials({ file, gcloudDirectory: directory, metadata });
      assert.equal(origin, `${file} (service_account)`);
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

const google = (body: string, init: ResponseInit = {}) =>
  new Response(body, { ...init, headers: { "metadata-flavor": "Google" } });

Deno.test("metadata: facts, what is missing left out", async () => {
  const paths: string[] = [];
  const server = new MetadataServer({
    host: "m",
    fetch: (url, init) => {
      assert.equal(new Headers(init.headers).get("metadata-flavor"), "Google");
      const path = url.replace("http://m/computeMetadata/v1/", "");
      paths.push(path);
      if (path === "instance/region") return Promise.resolve(google("projects/1/regions/europe-west1\n"));
      return Promise.resolve(path === "instance/id" ? google("", { status: 404 }) : google(`${path}!`));
    },
  });
  assert.deepEqual(await server.facts(), {
    address: "m",
    projectId: "project/project-id!",
    projectNumber: "project/numeric-project-id!",
    region: "europe-west1",
    instanceId: undefined,
    account: "instance/service-accounts/default/email!",
  });
  assert.equal(paths.length, 5);
});

const NO_SERVER: [name: string, fetch: Fetch][] = [
  ["no connection", () => Promise.reject(new TypeError("refused"))],
  [
    "silence",
    (_, { signal }) => new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  ],
  ["somebody else's answer", () => Promise.resolve(new Response("<html>welcome</html>"))],
];
for (const [name, fetch] of NO_SERVER) {
  Deno.test(`metadata: ${name} means no Google Cloud, and is not asked again`, async () => {
    let calls = 0;
    const counted: Fetch = (url, init) => {
      calls++;
      return fetch(url, init);
    };
    assert.equal(await new MetadataServer({ silenceMs: 30, fetch: counted }).facts(), undefined);
    assert.equal(calls, 5);
  });
}

Deno.test("metadata: 503, usual early in an instance's life, is asked again", async () => {
  let calls = 0;
  const server = new MetadataServer({
    now: () => 1_000,
    fetch: () =>
      Promise.resolve(
        calls++ === 0 ? google("", { status: 503 }) : google('{"access_token": "from-metadata", "expires_in": 10}'),
      ),
  });
  const { value, expiresAt } = await server.accessToken();
  assert.equal(value.reveal(), "from-metadata");
  assert.equal(expiresAt, 11_000);
});

const credentials = { origin: "test", accessToken: () => Promise.resolve(new Secret("test-access-token")) };
const answering = (body: string, status = 200): { credentials: typeof credentials; fetch: Fetch } => ({
  credentials,
  fetch: () => Promise.resolve(new Response(body, { status })),
});
const LIST = "list the GKE clusters of project p";
const AT = "(GET https://container.googleapis.com/v1/projects/p/locations/-/clusters)";
const GKE_ERRORS: [name: string, status: number, body: string, message: string][] = [
  [
    "403",
    403,
    '{"error":{"status":"PERMISSION_DENIED","message":"Required \\"container.clusters.list\\""}}',
    `${LIST} ${AT}\n  got: 403 PERMISSION_DENIED: Required "container.clusters.list"\n  do: the account lacks ` +
    "container.clusters.list and get; grant them: gcloud projects add-iam-policy-binding p --member serviceAccount:ACCOUNT " +
    "--role roles/container.clusterViewer",
  ],
  [
    "the API is off",
    403,
    '{"error":{"status":"PERMISSION_DENIED","message":"Kubernetes Engine API has not been used in project p"}}',
    `${LIST} ${AT}\n  got: 403 PERMISSION_DENIED: Kubernetes Engine API has not been used in project p\n  do: ` +
    "gcloud services enable container.googleapis.com --project p",
  ],
  [
    "401",
    401,
    "{}",
    `${LIST} ${AT}\n  got: 401 {}\n  do: the access token was refused: check the account's credentials and the machine's clock`,
  ],
  ["404", 404, "", `${LIST} ${AT}\n  got: 404\n  do: check PROJECT_ID, CLUSTER_LOCATION and CLUSTER_NAME`],
  ["malformed", 200, '{"clusters": [', `${LIST} ${AT}\n  got: an answer that is no JSON (14 bytes of broken JSON)`],
  [
    "of another form",
    200,
    '{"clusters": [{"name": "a"}]}',
    `${LIST} ${AT}\n  got: an answer without its expected form at clusters.0.location: expected "location", got nothing`,
  ],
];
for (const [name, status, body, message] of GKE_ERRORS) {
  Deno.test(`GKE: ${name}`, () => assert.rejects(listClusters("p", answering(body, status)), { message }));
}

Deno.test("GKE: clusters, and zones that did not answer", async () => {
  const cluster = { name: "c", location: "l", status: "RUNNING", endpoint: "1.2.3.4", unknown: 1 };
  const { clusters, missingZones } = await listClusters(
    "p",
    answering(JSON.stringify({ clusters: [cluster], missingZones: ["z"] })),
  );
  assert.deepEqual(clusters.map(({ name, resourceLabels }) => ({ name, resourceLabels })), [{
    name: "c",
    resourceLabels: {},
  }]);
  assert.deepEqual(missingZones, ["z"]);
  assert.deepEqual(await listClusters("p", answering("{}")), { clusters: [], missingZones: [] });
});

Deno.test("GKE: a name cannot lead to another path", async () => {
  let asked = "";
  const fetch: Fetch = (url) => {
    asked = url;
    return Promise.resolve(Response.json({ name: "c", location: "l" }));
  };
  await getCluster({ project: "p", location: "l", name: "../../x?y" }, { credentials, fetch });
  assert.equal(asked, "https://container.googleapis.com/v1/projects/p/locations/l/clusters/..%2F..%2Fx%3Fy");
});

Deno.test("project labels: there, none, and refused", async () => {
  assert.deepEqual(await projectLabels("p", answering('{"labels": {"mesh-namespace": "n"}}')), {
    "mesh-namespace": "n",
  });
  assert.deepEqual(await projectLabels("p", answering("{}")), {});
  await assert.rejects(projectLabels("p", answering('{"error": {"message": "no"}}', 403)), {
    message: "read the labels of project p (GET https://cloudresourcemanager.googleapis.com/v3/projects/p)\n" +
      "  got: 403 no\n  do: grant resourcemanager.projects.get, which roles/container.clusterViewer holds",
  });
});
