import assert from "node:assert/strict";
import { AccessTokens } from "./access_tokens.ts";
import { type CloudRunEmulator, runService, startCloudRun } from "./cloud_run.ts";
import { BY_REVISION, LATEST, type RunServiceResource } from "./cloud_run_types.ts";
import type { CloudRunService } from "./front_end.ts";

const PARENT = "projects/demo-project/locations/us-central1";
const NAME = `${PARENT}/services/web`;
const APP = { image: "us-docker.pkg.dev/p/r/app:1" };
const KRUN = { name: "krun", image: "krun", ports: [{ name: "h2c", containerPort: 15009 }] };

interface Told {
  status: number;
  body: Record<string, unknown> & {
    error?: {
      message: string;
      status: string;
      details?: { fieldViolations?: { field: string; description: string }[] }[];
    };
  };
}

type Ask = (method: string, path: string, body?: unknown) => Promise<Told>;

async function withApi(
  test: (ask: Ask, emulator: CloudRunEmulator) => Promise<void>,
  options: Partial<Parameters<typeof startCloudRun>[0]> = {},
): Promise<void> {
  const accessTokens = new AccessTokens();
  const authorization = `Bearer ${accessTokens.issue("me@example.com")}`;
  await using emulator = await startCloudRun({ accessTokens, ...options });
  const ask: Ask = async (method, path, body) => {
    const answer = await emulator.fetch(`${emulator.origin}/v2/${path}`, {
      method,
      headers: { authorization },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: await answer.json() };
  };
  await test(ask, emulator);
}

/** Until the operation is done. @returns it */
async function done(ask: Ask, { status, body }: Told): Promise<Record<string, unknown>> {
  assert.equal(status, 200, JSON.stringify(body));
  for (let looks = 0; looks < 20; looks++) {
    const told = await ask("GET", String(body["name"]));
    if (told.body["done"]) return told.body;
    await new Promise((resolve) => setTimeout(resolve));
  }
  throw new Error("the operation is never done");
}

const create = async (ask: Ask, fields: Record<string, unknown> = { template: { containers: [APP] } }) =>
  await done(ask, await ask("POST", `${PARENT}/services?serviceId=web`, fields));

Deno.test("Cloud Run: a service is made, with what Cloud Run fills in and finds out", () =>
  withApi(async (ask) => {
    const asked = await ask("POST", `${PARENT}/services?serviceId=web`, { template: { containers: [APP] } });
    assert.equal(asked.body["done"], undefined, "it takes its time");
    const between = (await ask("GET", NAME)).body as unknown as RunServiceResource;
    assert.equal(between.reconciling, true);
    const { response } = await done(ask, asked);
    const service = (await ask("GET", NAME)).body as unknown as RunServiceResource;
    assert.deepEqual(response, service);
    const [container] = service.template!.containers!;
    assert.deepEqual(container!.ports, [{ name: "http1", containerPort: 8080 }]);
    assert.deepEqual(container!.startupProbe, {
      timeoutSeconds: 240,
      periodSeconds: 240,
      failureThreshold: 1,
      tcpSocket: { port: 8080 },
    });
    assert.equal(service.uri, "https://web-abcdefghij-uc.a.run.app");
    assert.deepEqual(service.urls, ["https://web-1234567890.us-central1.run.app", service.uri]);
    assert.equal(service.latestReadyRevision, service.latestCreatedRevision);
    assert.match(service.latestReadyRevision!, /\/services\/web\/revisions\/web-00001-[a-z0-9]{3}$/);
    assert.deepEqual(service.traffic, [{ type: LATEST, percent: 100 }]);
    assert.equal(service.trafficStatuses![0]!.revision, service.latestReadyRevision!.split("/").at(-1));
    assert.equal(service.terminalCondition!.state, "CONDITION_SUCCEEDED");
    const again = await ask("POST", `${PARENT}/services?serviceId=web`, { template: { containers: [APP] } });
    assert.deepEqual([again.status, again.body.error!.status], [409, "ALREADY_EXISTS"]);
  }));

Deno.test("Cloud Run: a change makes a revision, and only one of the template does; traffic and tags follow", () =>
  withApi(async (ask) => {
    await create(ask);
    const revisions = async () => ((await ask("GET", `${NAME}/revisions`)).body["revisions"] as unknown[]).length;
    const first = ((await ask("GET", NAME)).body as unknown as RunServiceResource).latestReadyRevision!.split("/").at(
      -1,
    )!;
    const traffic = [{ type: BY_REVISION, revision: first, percent: 100 }, { type: LATEST, tag: "mesh" }];
    const template = { containers: [KRUN, { ...APP, name: "app", dependsOn: ["krun"] }] };
    await done(ask, await ask("PATCH", `${NAME}?updateMask=template,traffic`, { template, traffic }));
    assert.equal(await revisions(), 2);
    const service = (await ask("GET", NAME)).body as unknown as RunServiceResource;
    const [old, tagged] = service.trafficStatuses!;
    assert.equal(old!.revision, first);
    assert.equal(tagged!.uri, "https://mesh---web-abcdefghij-uc.a.run.app");
    assert.equal(tagged!.revision, service.latestReadyRevision!.split("/").at(-1));
    await done(ask, await ask("PATCH", `${NAME}?update_mask=traffic`, { traffic: [{ type: LATEST, percent: 100 }] }));
    assert.equal(await revisions(), 2);
    const kept = (await ask("GET", NAME)).body as unknown as RunServiceResource;
    assert.deepEqual(kept.template, service.template, "the rest is kept");
    assert.notEqual(kept.etag, service.etag);
  }));

Deno.test("Cloud Run: the etag of another state is refused, and nothing is changed", () =>
  withApi(async (ask) => {
    await create(ask);
    const { etag } = (await ask("GET", NAME)).body;
    await done(ask, await ask("PATCH", `${NAME}?updateMask=labels`, { labels: { a: "b" }, etag }));
    const stale = await ask("PATCH", `${NAME}?updateMask=labels`, { labels: {}, etag });
    assert.deepEqual([stale.status, stale.body.error!.status], [409, "ABORTED"]);
    assert.deepEqual((await ask("GET", NAME)).body["labels"], { a: "b" });
    assert.equal((await ask("DELETE", `${NAME}?etag=${encodeURIComponent(String(etag))}`)).status, 409);
    await done(ask, await ask("DELETE", NAME));
    assert.equal((await ask("GET", NAME)).status, 404);
    assert.deepEqual((await ask("GET", `${NAME}/revisions`)).body, {});
  }));

const of = (template: Record<string, unknown>, rest = {}) => ({
  template: { containers: [APP], ...template },
  ...rest,
});
const traffic = (...traffic: unknown[]) => of({}, { traffic });
const REFUSED: [name: string, body: unknown, message: RegExp, field: RegExp][] = [
  [
    "an unknown field",
    of({ replicas: 3 }),
    /Unknown name "replicas" at 'service.template': Cannot find/,
    /^service\.template$/,
  ],
  [
    "one of another type",
    of({ timeout: 300 }),
    /Invalid value at 'service.template.timeout' \(TYPE_STRING\), 300/,
    /timeout$/,
  ],
  ["no template", {}, /CreateServiceRequest.service.template: required field not present/, /template$/],
  ["no image", of({ containers: [{}] }), /containers\[0\].image: required field/, /image$/],
  ["two ports", of({ containers: [{ ...APP, ports: [{}, {}] }] }), /ports should contain 0 or 1 port/, /ports$/],
  [
    "two containers with a port",
    of({ containers: [KRUN, { ...APP, ports: [{ containerPort: 8080 }] }] }),
    /exactly one container with an exposed port/,
    /^template.containers$/,
  ],
  ["none with a port", of({ containers: [APP, { ...APP, name: "b" }] }), /exactly one container/, /containers$/],
  [
    "PORT of the ingress container",
    of({ containers: [{ ...APP, env: [{ name: "PORT" }] }] }),
    /reserved env names .*: PORT\./,
    /env$/,
  ],
  ["an unknown dependency", of({ containers: [KRUN, { ...APP, dependsOn: ["x"] }] }), /depends on "x"/, /containers$/],
  [
    "a circle of dependencies",
    of({ containers: [{ ...KRUN, dependsOn: ["app"] }, { ...APP, name: "app", dependsOn: ["krun"] }] }),
    /cycle: krun, app/,
    /containers$/,
  ],
  [
    "a revision of another's name",
    of({ revision: "other-1" }),
    /prefixed by the name of the enclosing Service/,
    /revision$/,
  ],
  [
    "a probe without a port",
    of({ containers: [KRUN, { ...APP, startupProbe: { tcpSocket: {} } }] }),
    /a port is required/,
    /startup_probe$/,
  ],
  [
    "a probe of two kinds",
    of({ containers: [{ ...APP, startupProbe: { tcpSocket: {}, grpc: {} } }] }),
    /exactly one of/,
    /probe$/,
  ],
  [
    "a probe without an end",
    of({ containers: [{ ...APP, startupProbe: { grpc: {}, periodSeconds: 200 } }] }),
    /greater than 240/,
    /probe$/,
  ],
  [
    "a volume that is not there",
    of({ containers: [{ ...APP, volumeMounts: [{ name: "v" }] }] }),
    /"v" is not defined/,
    /mounts$/,
  ],
  ["traffic of 90 %", traffic({ type: LATEST, percent: 90 }), /sum to 90, want 100/, /^traffic$/],
  ["a tag of another form", traffic({ type: LATEST, percent: 100, tag: "A" }), /lower case/, /tag$/],
  [
    "a tag twice",
    traffic({ type: LATEST, percent: 100, tag: "a" }, { type: LATEST, tag: "a" }),
    /more than once/,
    /traffic$/,
  ],
  ["a system annotation", of({}, { annotations: { "run.googleapis.com/x": "" } }), /system annotation/, /annotations$/],
];

Deno.test("Cloud Run: what is refused, with the field", () =>
  withApi(async (ask) => {
    for (const [name, body, message, field] of REFUSED) {
      const { status, body: answer } = await ask("POST", `${PARENT}/services?serviceId=web`, body);
      assert.equal(status, 400, name);
      assert.match(answer.error!.message, message, name);
      assert.match(answer.error!.details![0]!.fieldViolations![0]!.field, field, name);
    }
    assert.equal((await ask("GET", NAME)).status, 404, "nothing was made");
    assert.equal((await ask("PATCH", `${NAME}?allowMissing=true&updateMask=bad`, of({}))).status, 400);
    await create(ask, of({ revision: "web-one" }));
    const taken = await ask("PATCH", `${NAME}?updateMask=template`, of({ revision: "web-one", timeout: "9s" }));
    assert.equal(taken.status, 409);
    assert.match(taken.body.error!.message, /Revision named 'web-one' with different configuration already exists/);
  }));

Deno.test("Cloud Run: validateOnly says what would be, and changes nothing", () =>
  withApi(async (ask) => {
    await create(ask);
    const before = (await ask("GET", NAME)).body;
    const tried = await ask("PATCH", `${NAME}?updateMask=template&validateOnly=true`, of({ timeout: "9s" }));
    assert.equal(tried.status, 200);
    assert.equal((tried.body["response"] as RunServiceResource).template!.timeout, "9s");
    assert.equal((await ask("PATCH", `${NAME}?updateMask=template&validateOnly=true`, of({ x: 1 }))).status, 400);
    assert.deepEqual((await ask("GET", NAME)).body, before);
  }));

Deno.test("Cloud Run: a revision that does not get ready fails the operation, and requests go where they went", () =>
  withApi(async (ask, emulator) => {
    await create(ask);
    const before = (await ask("GET", NAME)).body as unknown as RunServiceResource;
    emulator.state.fails = () => "The user-provided container failed the configured startup probe checks.";
    const failed = await done(ask, await ask("PATCH", `${NAME}?updateMask=template`, of({ timeout: "9s" })));
    const { code, message } = failed["error"] as { code: number; message: string };
    assert.equal(code, 9);
    assert.match(
      message,
      /^Revision 'web-00002-\w+' is not ready and cannot serve traffic\. The user-provided container/,
    );
    const after = (await ask("GET", NAME)).body as unknown as RunServiceResource;
    assert.deepEqual(after.trafficStatuses, before.trafficStatuses);
    assert.deepEqual([after.terminalCondition!.state, after.terminalCondition!.message], ["CONDITION_FAILED", message]);
    emulator.state.fails = () => undefined;
    const missing = [{ type: BY_REVISION, revision: "web-gone", percent: 100 }];
    const gone = await done(
      ask,
      await ask("PATCH", `${NAME}?updateMask=traffic,template`, of({}, { traffic: missing })),
    );
    assert.match(JSON.stringify(gone["error"]), /"code":13,"message":"Revision 'web-gone' does not exist/);
  }));

Deno.test("Cloud Run: each method needs its permission, and acting as the account", () =>
  withApi(async (ask, emulator) => {
    await create(ask);
    const template = of({ serviceAccount: "k8s-shop@demo-project.iam.gserviceaccount.com" });
    const { latestReadyRevision } = (await ask("GET", NAME)).body;
    const operation = (await ask("PATCH", `${NAME}?updateMask=labels`, {})).body["name"];
    const NEEDS: [permission: string, method: string, path: string, body?: unknown][] = [
      ["run.services.get", "GET", NAME],
      ["run.services.list", "GET", `${PARENT}/services`],
      ["run.services.create", "POST", `${PARENT}/services?serviceId=x`, template],
      ["run.services.update", "PATCH", `${NAME}?updateMask=labels`, {}],
      ["run.services.delete", "DELETE", NAME],
      ["run.revisions.get", "GET", String(latestReadyRevision)],
      ["run.operations.get", "GET", String(operation)],
      ["iam.serviceAccounts.actAs", "PATCH", `${NAME}?updateMask=template`, template],
    ];
    for (const [permission, method, path, body] of NEEDS) {
      emulator.deniedPermissions.add(permission);
      const { status, body: answer } = await ask(method, path, body);
      assert.deepEqual([status, answer.error?.status], [403, "PERMISSION_DENIED"], permission);
      assert(emulator.faults.requests.at(-1)!.permissions!.includes(permission), `${permission} is logged`);
      emulator.deniedPermissions.clear();
    }
  }));

Deno.test("Cloud Run: what is deployed is started, gets its share of requests, and ends when it gets none", async () => {
  const running = new Set<string>();
  const frontEnd: Record<string, CloudRunService> = {};
  let port = 1_000;
  const runner = {
    start({ name, containers }: { name: string; containers?: { image?: string }[] }) {
      if (containers?.[0]?.image === "bad") return Promise.reject(new Error("it does not start."));
      running.add(name);
      return Promise.resolve({
        address: `127.0.0.1:${++port}`,
        stop: () => Promise.resolve(void running.delete(name)),
      });
    },
  };
  await withApi(async (ask, emulator) => {
    await create(ask);
    assert.equal(running.size, 1);
    assert.equal(frontEnd["web-abcdefghij-uc"]!.port, 1_001);
    const first = ((await ask("GET", NAME)).body as unknown as RunServiceResource).latestReadyRevision!.split("/").at(
      -1,
    )!;
    const split = [{ type: BY_REVISION, revision: first, percent: 75 }, { type: LATEST, percent: 25, tag: "next" }];
    await done(
      ask,
      await ask("PATCH", `${NAME}?updateMask=template,traffic`, of({ timeout: "9s" }, { traffic: split })),
    );
    const ports = Array.from({ length: 8 }, () => frontEnd["web-abcdefghij-uc"]!.port);
    assert.deepEqual([ports.filter((at) => at === 1_001).length, ports.filter((at) => at === 1_002).length], [6, 2]);
    assert.equal(frontEnd["next---web-abcdefghij-uc"]!.port, 1_002);
    assert.deepEqual(frontEnd["next---web-abcdefghij-uc"]!.audiences, ["https://web-abcdefghij-uc.a.run.app"]);
    await emulator.edit(NAME, { traffic: [{ type: LATEST, percent: 100 }] });
    assert.equal(running.size, 1);
    assert.deepEqual(Object.keys(frontEnd), ["web-abcdefghij-uc"]);
    const bad = await done(
      ask,
      await ask("PATCH", `${NAME}?updateMask=template`, of({ containers: [{ image: "bad" }] })),
    );
    assert.match(JSON.stringify(bad["error"]), /cannot serve traffic\. it does not start\./);
    await done(ask, await ask("DELETE", NAME));
    assert.deepEqual([running.size, Object.keys(frontEnd)], [0, []]);
  }, { runner, frontEnd });
});

Deno.test("Cloud Run: a service that a test has put there can be changed as any other", () =>
  withApi(async (ask) => {
    const before = (await ask("GET", NAME)).body as unknown as RunServiceResource;
    assert.match(before.latestReadyRevision!, /web-00001-/);
    await done(ask, await ask("PATCH", `${NAME}?updateMask=labels`, { labels: { a: "b" }, etag: before.etag }));
    assert.equal(((await ask("GET", `${NAME}/revisions`)).body["revisions"] as unknown[]).length, 1);
  }, {
    services: [
      runService({ project: "demo-project", projectNumber: "1234567890", region: "us-central1", service: "web" }),
    ],
  }));
