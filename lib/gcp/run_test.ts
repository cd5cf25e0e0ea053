import assert from "node:assert/strict";
import { AccessTokens } from "../../tests/emulators/access_tokens.ts";
import { type CloudRunEmulator, runService, startCloudRun } from "../../tests/emulators/cloud_run.ts";
import { googleErrorBody } from "../../tests/emulators/google_api.ts";
import { Secret } from "../base/secret.ts";
import { cloudRun, type CloudRunApi, type RunService } from "./run.ts";

const AT = { project: "p", projectNumber: "42", region: "europe-west1" };
const NAME = "projects/p/locations/europe-west1/services/web";
const made = (fields = {}, service = "web") => runService({ ...AT, service, fields });

async function withApi(test: (api: CloudRunApi, emulator: CloudRunEmulator) => Promise<void>): Promise<void> {
  const accessTokens = new AccessTokens();
  const token = new Secret(accessTokens.issue("hgate@p.iam.gserviceaccount.com"));
  await using emulator = await startCloudRun({
    accessTokens,
    projectId: "p",
    regions: [AT.region],
    services: [made()],
  });
  const credentials = { origin: "test", accessToken: () => Promise.resolve(token) };
  await test(cloudRun({ credentials, endpoint: `${emulator.origin}/` }), emulator);
}

const WEB: RunService = {
  name: NAME,
  urls: ["https://web-abcdefghij-uc.a.run.app", "https://web-42.europe-west1.run.app"],
  audiences: [],
  timeoutMs: 300_000,
  concurrency: 80,
  ingress: "all",
  isOpen: false,
  port: { number: 15_009, isHttp2: true },
  serviceAccount: "k8s-demo@p.iam.gserviceaccount.com",
  generation: undefined,
  hasVpcEgress: false,
  problem: undefined,
};

const MEANINGS: [name: string, fields: Record<string, unknown>, changed: Partial<RunService>][] = [
  ["as deployed", {}, {}],
  ["custom audiences", { customAudiences: ["https://web.example"] }, { audiences: ["https://web.example"] }],
  ["only the old URL", { urls: undefined }, { urls: [WEB.urls[0]!] }],
  ["no default URL", { uri: "", urls: [] }, { urls: [] }],
  ["a URL without TLS", { urls: ["http://web.example"] }, { urls: [WEB.urls[0]!] }],
  ["open to all", { invokerIamDisabled: true }, { isOpen: true }],
  ["internal", { ingress: "INGRESS_TRAFFIC_INTERNAL_ONLY" }, { ingress: "internal" }],
  ["an ingress of tomorrow", { ingress: "INGRESS_TRAFFIC_X" }, { ingress: "unknown" }],
  [
    "nothing said in the template",
    { template: {} },
    {
      timeoutMs: 300_000,
      concurrency: 80,
      port: { number: 8_080, isHttp2: false },
      serviceAccount: undefined,
    },
  ],
  [
    "a side car before the container with the port",
    {
      template: {
        timeout: "3.5s",
        maxInstanceRequestConcurrency: 1000,
        containers: [{}, { ports: [{ containerPort: 9 }] }],
      },
    },
    { timeoutMs: 3_500, concurrency: 1_000, port: { number: 9, isHttp2: false }, serviceAccount: undefined },
  ],
  [
    "krun before an app that listens elsewhere",
    {
      template: {
        containers: [
          { name: "app", env: [{ name: "PORT_http", value: "1" }] },
          {
            name: "krun",
            ports: [{ name: "h2c", containerPort: 15009 }],
            env: [
              { name: "PORT_http", value: "3000" },
              { name: "WORKLOAD_NAMESPACE", value: "shop" },
            ],
          },
        ],
      },
    },
    { serviceAccount: undefined, appPort: 3000, namespace: "shop" },
  ],
  [
    "a deployment that failed",
    { terminalCondition: { type: "Ready", state: "CONDITION_FAILED", message: "Image not found." } },
    { problem: "Image not found." },
  ],
  [
    "generation 2 with a connector",
    {
      template: {
        ...made().template,
        executionEnvironment: "EXECUTION_ENVIRONMENT_GEN2",
        vpcAccess: { connector: "projects/p/locations/europe-west1/connectors/c" },
      },
    },
    { generation: 2, hasVpcEgress: true },
  ],
  [
    "generation 1 with interfaces of its own",
    {
      template: {
        ...made().template,
        executionEnvironment: "EXECUTION_ENVIRONMENT_GEN1",
        vpcAccess: { networkInterfaces: [{ network: "default" }] },
      },
    },
    { generation: 1, hasVpcEgress: true },
  ],
  ["one that is on its way", { terminalCondition: { type: "Ready", state: "CONDITION_RECONCILING" } }, {}],
];
for (const [name, fields, changed] of MEANINGS) {
  Deno.test(`Cloud Run: ${name}`, () =>
    withApi(async (api, { state }) => {
      state.services = [made(fields)];
      assert.deepEqual(await api.service("p", AT.region, "web"), { ...WEB, ...changed });
    }));
}

Deno.test("Cloud Run: all services of a region, page by page", () =>
  withApi(async (api, { state, faults }) => {
    state.pageSize = 2;
    state.services = ["a", "b", "c", "d", "e"].map((service) => made({}, service));
    const names = (await api.services("p", AT.region)).map(({ name }) => name.split("/").at(-1));
    assert.deepEqual(names, ["a", "b", "c", "d", "e"]);
    assert.equal(faults.requests.length, 3);
    state.services = [];
    assert.deepEqual(await api.services("p", AT.region), []);
  }));

Deno.test("Cloud Run: a list whose pages never end is a Problem", () =>
  withApi(async (api, { faults }) => {
    faults.add({ match: /services/, body: '{"nextPageToken": "again"}' });
    await assert.rejects(api.services("p", AT.region), { message: /got: more than 100 pages/ });
  }));

const READ =
  /^read Cloud Run service web in europe-west1 of project p \(GET \S+\/v2\/projects\/p\/locations\/europe-west1\/services\/web\)\n/;
const WRONG: [name: string, prepare: (emulator: CloudRunEmulator) => void, message: RegExp][] = [
  [
    "no right",
    (api) => api.deniedPermissions.add("run.services.get"),
    /got: 403 PERMISSION_DENIED: .*run.services.get.*\n {2}do: grant run.services.get: gcloud projects add-iam-policy-binding p --member serviceAccount:ACCOUNT --role roles\/run.viewer$/,
  ],
  [
    "no such service",
    (api) => api.state.services = [],
    /got: 404 NOT_FOUND: .*\n {2}do: check the name and the region: gcloud run services list --project p$/,
  ],
  [
    "the API is off",
    (api) =>
      api.faults.add({
        match: /services/,
        status: 403,
        body: googleErrorBody(403, "Cloud Run Admin API has not been used in project 42 before or it is disabled."),
      }),
    /\n {2}do: gcloud services enable run.googleapis.com --project p$/,
  ],
  ["no JSON", (api) => api.faults.add({ match: /services/, action: "malformed" }), /got: an answer that is no JSON/],
  [
    "another form",
    (api) => api.faults.add({ match: /services/, body: '{"uri": 1}' }),
    /got: an answer without its expected form at name/,
  ],
];
for (const [name, prepare, message] of WRONG) {
  Deno.test(`Cloud Run gone wrong: ${name}`, () =>
    withApi(async (api, emulator) => {
      prepare(emulator);
      await assert.rejects(api.service("p", AT.region, "web"), (error: Error) => {
        assert.match(error.message, READ);
        assert.match(error.message, message);
        return true;
      });
    }));
}

Deno.test("Cloud Run: 503 and 429 are asked again, a name leads to no other path, and who asked can call it off", () =>
  withApi(async (api, { faults }) => {
    faults.add({ match: /web/, status: 503, times: 1 }, { match: /web/, status: 429, times: 1 });
    assert.equal((await api.service("p", AT.region, "web")).name, NAME);
    await assert.rejects(api.service("p", AT.region, "../../x?y"), { message: /got: 404/ });
    assert.match(faults.requests.at(-1)!.path, /\/services\/\.\.%2F\.\.%2Fx%3Fy$/);
    faults.add({ match: /web/, action: "hang" });
    const stop = new AbortController();
    const asked = assert.rejects(api.service("p", AT.region, "web", stop.signal));
    stop.abort(new Error("over"));
    await asked;
  }));
