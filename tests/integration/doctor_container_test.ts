/** The doctor in krun's container: with the workload's account and its few rights, and what only that container has. */
import assert from "node:assert/strict";
import type { DoctorOptions, Report } from "../../lib/admin/doctor/mod.ts";
import { type HttpServer, startHttpServer } from "../emulators/http_server.ts";
import { startMetadata } from "../emulators/metadata.ts";
import { CLUSTER, PROJECT, PROJECT_NUMBER, REGION } from "./admin_world.ts";
import { ACCOUNT, type DoctorWorld, NAMESPACE, SERVICE, startDoctorWorld } from "./doctor_world.ts";

const DAY_MS = 86_400_000;

interface Container extends AsyncDisposable {
  world: DoctorWorld;
  environment: Record<string, string>;
  token: string;
  /** What krun, its proxy and Envoy's admin interface answer. */
  krun: HttpServer;
  proxy: HttpServer;
  certificateEnds: { leaf: number; root: number };
  examine(options?: Partial<DoctorOptions> & { environment?: Record<string, string> }): Promise<Report>;
}

const jwt = (claims: object) => {
  const part = (value: object) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  return `${part({ alg: "RS256" })}.${part(claims)}.c2lnbmF0dXJl`;
};

async function startContainer(): Promise<Container> {
  await using started = new AsyncDisposableStack();
  const world = started.use(await startDoctorWorld());
  const metadata = started.use(
    await startMetadata({
      projectId: PROJECT,
      projectNumber: PROJECT_NUMBER,
      region: REGION,
      email: ACCOUNT,
      accessTokens: world.admin.accessTokens,
    }),
  );
  const ok = () => ({ status: 200, body: "ready\n" });
  const certificateEnds = { leaf: Date.now() + DAY_MS, root: Date.now() + 3_650 * DAY_MS };
  const details = (name: string, ends: number) => ({
    path: "<inline>",
    subject_alt_names: [{ uri: name }],
    days_until_expiration: "0",
    valid_from: "2026-01-01T00:00:00Z",
    expiration_time: new Date(ends).toISOString(),
  });
  const certs = () =>
    JSON.stringify({
      certificates: [{
        ca_cert: [details("", certificateEnds.root)],
        cert_chain: [details(`spiffe://cluster.local/ns/${NAMESPACE}/sa/default`, certificateEnds.leaf)],
      }],
    });
  const [krun, proxy, envoy] = await Promise.all([
    startHttpServer({ handle: ok }),
    startHttpServer({ handle: ok }),
    startHttpServer({
      handle: ({ url }) => url.pathname === "/certs" ? { status: 200, body: certs() } : { status: 404 },
    }),
  ]);
  for (const server of [krun, proxy, envoy]) started.use(server);
  const app = started.adopt(Deno.listen({ hostname: "127.0.0.1", port: 0 }), (listener) => listener.close());
  const base = `${world.admin.directory}/base`;
  const token = `${base}/var/run/secrets/tokens/istio-token`;
  await Deno.mkdir(token.slice(0, token.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(token, jwt({ exp: Math.floor(Date.now() / 1_000) + 12 * 3_600 }), { mode: 0o600 });
  const { HOME: _home, CLOUDSDK_CONFIG: _gcloud, KUBECONFIG: _kubeconfig, ...endpoints } = world.admin.environment;
  const environment = {
    ...endpoints,
    HOME: "/nonexistent",
    K_SERVICE: SERVICE,
    PORT: "15009",
    GCE_METADATA_HOST: metadata.host,
    CLUSTER_NAME: CLUSTER,
    CLUSTER_LOCATION: REGION,
    KRUN_HEALTH_PORT: String(krun.port),
    PORT_http: String((app.addr as Deno.NetAddr).port),
    MESH_BASE_DIR: base,
  };
  const running = started.move();
  return {
    world,
    environment,
    token,
    krun,
    proxy,
    certificateEnds,
    examine: ({ environment: more = {}, ...options } = {}) =>
      world.examine({
        service: undefined,
        namespace: undefined,
        environment: { ...environment, ...more },
        local: { envoyAdmin: envoy.port, proxyReady: proxy.port, gateStatus: 9 },
        lookUp: () => Promise.resolve(["192.0.2.1"]),
        ...options,
      }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

const inState = ({ checks }: Report, ...states: string[]) =>
  Object.fromEntries(checks.filter(({ state }) => states.includes(state)).map(({ id, state }) => [id, state]));

Deno.test("doctor in krun's container", async (t) => {
  await using container = await startContainer();
  const { world, examine } = container;

  await t.step("all that this account may see is green, and what it may not is said", async () => {
    const report = await examine();
    assert.deepEqual(inState(report, "warn", "fail"), {});
    assert.deepEqual([report.place, report.namespace, report.service], ["krun", NAMESPACE, undefined]);
    const of = (id: string) => {
      const { state, seen } = report.checks.find((check) => check.id === id)!;
      return `${state} ${seen}`;
    };
    assert.match(of("account.credentials"), /^pass metadata server .*k8s-shop@/);
    assert.match(of("namespace.known"), /^pass shop$/);
    assert.match(of("rights.workload"), /^pass both copies of mesh-env too$/);
    assert.match(of("istiod.tls"), /^pass .*:15012: for istiod\.istio-system\.svc, ends in 36\d days$/);
    assert.match(
      of("gate.deployment"),
      /^skip this account may not look: .*403 Forbidden: deployments\.apps "hgate" is forbidden/,
    );
    assert.match(of("container.token"), /^pass .*istio-token ends in 11 hours$/);
    assert.match(
      of("container.certificates"),
      /^pass 2, spiffe:\/\/cluster\.local\/ns\/shop\/sa\/default ends in 23 hours$/,
    );
    assert(!report.checks.some(({ id }) => /^(service|registration|rights\.(setup|register))/.test(id)));
    assert(!JSON.stringify(report).includes("eyJ"), "no token");
  });

  await t.step("with --service its own project's APIs are asked too", async () => {
    const report = await examine({ service: SERVICE });
    assert.deepEqual(inState(report, "warn", "fail"), {});
    assert.equal(report.checks.find(({ id }) => id === "service.http2")!.state, "pass");
  });

  const faults: [
    name: string,
    plant: () => (() => unknown) | Promise<() => unknown>,
    id: string,
    says: RegExp,
    asked?: Parameters<Container["examine"]>[0],
  ][] = [
    [
      "krun is not ready",
      () => {
        container.krun.faults.add({ match: /ready/, status: 503, body: "not ready: the proxy is down\n" });
        return () => container.krun.faults.clear();
      },
      "container.ready",
      /not ready: the proxy is down/,
    ],
    [
      "the proxy does not answer",
      () => {
        container.proxy.faults.add({ match: /ready/, action: "reset" });
        return () => container.proxy.faults.clear();
      },
      "container.proxy",
      /ask the proxy whether it is ready/,
    ],
    [
      "a token that others may read",
      async () => {
        await Deno.chmod(container.token, 0o644);
        return () => Deno.chmod(container.token, 0o600);
      },
      "container.token",
      /mode 644.*chmod 600/,
    ],
    [
      "no token",
      async () => {
        await Deno.rename(container.token, `${container.token}.away`);
        return () => Deno.rename(`${container.token}.away`, container.token);
      },
      "container.token",
      /no token file/,
    ],
    [
      "a token that has ended",
      async () => {
        const before = await Deno.readTextFile(container.token);
        await Deno.writeTextFile(container.token, jwt({ exp: Math.floor(Date.now() / 1_000) - 180 }));
        return () => Deno.writeTextFile(container.token, before);
      },
      "container.token",
      /ended 3 minutes ago/,
    ],
    [
      "a certificate that has ended",
      () => {
        const before = container.certificateEnds.leaf;
        container.certificateEnds.leaf = Date.now() - 60_000;
        return () => container.certificateEnds.leaf = before;
      },
      "container.certificates",
      /sa\/default ended 60 s ago/,
    ],
    ["no app", () => () => {}, "container.app", /nothing on 127\.0\.0\.1:9.*PORT_http/, {
      environment: { PORT_http: "9" },
    }],
    [
      "no names",
      () => () => {},
      "names.resolve",
      /127|metadata|ENOTFOUND/,
      { lookUp: () => Promise.reject(new Error("getaddrinfo ENOTFOUND")), service: SERVICE },
    ],
    [
      "no right to a token",
      () => {
        const { denied } = world.admin.kubernetes.state;
        denied.push({ subject: ACCOUNT, resource: "serviceaccounts/token" });
        return () => denied.pop();
      },
      "rights.workload",
      /may not create serviceaccounts\/token default in shop/,
    ],
    ["nobody at 15012", () => world.closePort(15_012), "istiod.tls", /15012: .*[Rr]efused/],
  ];
  for (const [name, plant, id, says, asked] of faults) {
    await t.step(`finds: ${name}`, async () => {
      const undo = await plant();
      try {
        const report = await examine(asked);
        assert.deepEqual(inState(report, "warn", "fail"), { [id]: "fail" });
        const { seen, fix } = report.checks.find((check) => check.id === id)!;
        assert.match(`${seen} ${fix}`, says);
        assert(fix);
      } finally {
        await undo();
      }
    });
  }

  await t.step("without a proxy and without a port there is nothing to complain of", async () => {
    const report = await examine({
      environment: { KRUN_PROXY: "plain", KRUN_HEALTH_PORT: "0", "startupProbe.tcp": "-" },
    });
    assert.deepEqual(inState(report, "warn", "fail"), {});
    const skipped = Object.keys(inState(report, "skip"));
    for (const id of ["ready", "proxy", "certificates", "app"]) assert(skipped.includes(`container.${id}`), id);
  });

  await t.step("no metadata server and no cluster: two failures, not twenty", async () => {
    const report = await examine({ environment: { GCE_METADATA_HOST: "127.0.0.1:9", PROJECT_ID: PROJECT } });
    assert.deepEqual(inState(report, "warn", "fail"), { "account.credentials": "fail", "cluster.reachable": "fail" });
  });
});
