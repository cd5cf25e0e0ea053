import assert from "node:assert/strict";
import type { RunContainer, RunTemplate } from "../../gcp/mod.ts";
import { type MeshOptions, meshTemplate } from "./mesh_template.ts";

const IMAGE = "us-docker.pkg.dev/p/r/app:1";
const OPTIONS: MeshOptions = {
  image: "us-docker.pkg.dev/p/r/golden:1",
  namespace: "shop",
  capture: "auto",
  env: {},
  limits: { cpu: "1", memory: "512Mi" },
};
const mesh = (template: RunTemplate, options: Partial<MeshOptions> = {}) =>
  meshTemplate(template, { ...OPTIONS, ...options }, "put web into the mesh");

const KRUN: RunContainer = {
  name: "krun",
  image: OPTIONS.image,
  args: ["--"],
  env: [
    { name: "PORT_http", value: "8080" },
    { name: "WORKLOAD_NAMESPACE", value: "shop" },
    { name: "KRUN_TUNNEL_OPENS", value: "network" },
    { name: "KRUN_STARTUP_MS", value: "240000" },
    { name: "KRUN_CAPTURE", value: "auto" },
  ],
  ports: [{ name: "h2c", containerPort: 15_009 }],
  resources: { limits: { cpu: "1", memory: "512Mi" }, cpuIdle: true, startupCpuBoost: true },
  startupProbe: {
    initialDelaySeconds: 0,
    periodSeconds: 1,
    timeoutSeconds: 1,
    failureThreshold: 120,
    tcpSocket: { port: 15_009 },
  },
};
const krun = (env: Record<string, string> = {}, fields: RunContainer = {}): RunContainer => ({
  ...KRUN,
  env: [
    ...KRUN.env!.map(({ name, value }) => ({ name, value: env[name] ?? value! })),
    ...Object.entries(env).filter(([name]) => !KRUN.env!.some((known) => known.name === name))
      .map(([name, value]) => ({ name, value })),
  ],
  ...fields,
});
const app = (fields: RunContainer = {}, port = "8080"): RunContainer => ({
  name: "app",
  image: IMAGE,
  env: [{ name: "PORT", value: port }],
  dependsOn: ["krun"],
  ...fields,
});

/** Everything that a template may have and that is nobody's business here. */
const REST = {
  labels: { team: "shop" },
  annotations: { "example.com/a": "b" },
  scaling: { minInstanceCount: 2, maxInstanceCount: 7 },
  timeout: "900s",
  serviceAccount: "web@p.iam.gserviceaccount.com",
  executionEnvironment: "EXECUTION_ENVIRONMENT_GEN1",
  maxInstanceRequestConcurrency: 10,
  sessionAffinity: true,
  encryptionKey: "projects/p/locations/r/keyRings/k/cryptoKeys/c",
  vpcAccess: { connector: "projects/p/locations/r/connectors/c", egress: "ALL_TRAFFIC" },
  volumes: [
    { name: "cloudsql", cloudSqlInstance: { instances: ["p:r:db"] } },
    { name: "keys", secret: { secret: "web-keys", items: [{ path: "key", version: "latest" }] } },
  ],
};
const SECRET = { name: "DB_PASSWORD", valueSource: { secretKeyRef: { secret: "db", version: "3" } } };

const SHAPES: [name: string, given: RunTemplate, expected: RunTemplate][] = [
  ["an image and nothing else", { containers: [{ image: IMAGE }] }, { containers: [krun(), app()] }],
  [
    "a port of its own",
    { containers: [{ image: IMAGE, ports: [{ name: "http1", containerPort: 3000 }] }] },
    { containers: [krun({ PORT_http: "3000" }), app({}, "3000")] },
  ],
  [
    "HTTP/2 to the app",
    { containers: [{ name: "web-1", image: IMAGE, ports: [{ name: "h2c", containerPort: 50_051 }] }] },
    { containers: [krun({ PORT_http: "50051" }), app({ name: "web-1" }, "50051")] },
  ],
  [
    "a port without a number",
    { containers: [{ image: IMAGE, ports: [{ name: "h2c" }] }] },
    { containers: [krun(), app()] },
  ],
  ["all the rest stays", { ...REST, containers: [{ image: IMAGE }] }, { ...REST, containers: [krun(), app()] }],
  [
    "a revision's name does not, it can be used once",
    { revision: "web-blue", containers: [{ image: IMAGE }] },
    { containers: [krun(), app()] },
  ],
  [
    "command, arguments, directory, variables, secrets, mounts",
    {
      ...REST,
      containers: [{
        image: IMAGE,
        command: ["/bin/web"],
        args: ["--verbose"],
        workingDir: "/srv",
        env: [{ name: "A", value: "1" }, SECRET],
        volumeMounts: [{ name: "cloudsql", mountPath: "/cloudsql" }, { name: "keys", mountPath: "/keys" }],
      }],
    },
    {
      ...REST,
      containers: [
        krun(),
        app({
          command: ["/bin/web"],
          args: ["--verbose"],
          workingDir: "/srv",
          env: [{ name: "A", value: "1" }, SECRET, { name: "PORT", value: "8080" }],
          volumeMounts: [{ name: "cloudsql", mountPath: "/cloudsql" }, { name: "keys", mountPath: "/keys" }],
        }),
      ],
    },
  ],
  [
    "Cloud Run's default probe keeps asking the app, on its port",
    {
      containers: [{
        image: IMAGE,
        startupProbe: { timeoutSeconds: 240, periodSeconds: 240, failureThreshold: 1, tcpSocket: { port: 8080 } },
      }],
    },
    {
      containers: [
        krun(),
        app({
          startupProbe: { timeoutSeconds: 240, periodSeconds: 240, failureThreshold: 1, tcpSocket: { port: 8080 } },
        }),
      ],
    },
  ],
  [
    "probes without a port get the one that was meant; krun waits for the HTTP one too",
    {
      containers: [{
        image: IMAGE,
        ports: [{ containerPort: 3000 }],
        startupProbe: { httpGet: { path: "/started" } },
        livenessProbe: { grpc: { service: "live" } },
        readinessProbe: { httpGet: { path: "/ready", port: 9000 } },
      }],
    },
    {
      containers: [
        krun({ PORT_http: "3000" }, { args: ["--startup-http=http://127.0.0.1:3000/started", "--"] }),
        app({
          startupProbe: { httpGet: { path: "/started", port: 3000 } },
          livenessProbe: { grpc: { service: "live", port: 3000 } },
          readinessProbe: { httpGet: { path: "/ready", port: 9000 } },
        }, "3000"),
      ],
    },
  ],
  [
    "processors that are always there, and what is not said of them",
    { containers: [{ image: IMAGE, resources: { limits: { cpu: "2", memory: "1Gi" } } }] },
    {
      containers: [
        krun({}, { resources: { ...KRUN.resources, cpuIdle: false } }),
        app({ resources: { limits: { cpu: "2", memory: "1Gi" } } }),
      ],
    },
  ],
  [
    "several containers: only the one that got the requests goes behind krun",
    {
      containers: [
        { name: "collector", image: "otel", startupProbe: { httpGet: { path: "/", port: 13_133 } } },
        { name: "web", image: IMAGE, ports: [{ containerPort: 8080 }], dependsOn: ["collector"] },
        { name: "cache", image: "redis", dependsOn: ["web"] },
      ],
    },
    {
      containers: [
        krun(),
        { name: "collector", image: "otel", startupProbe: { httpGet: { path: "/", port: 13_133 } } },
        app({ name: "web", dependsOn: ["collector", "krun"] }),
        { name: "cache", image: "redis", dependsOn: ["web"] },
      ],
    },
  ],
  [
    "a field of tomorrow",
    { containers: [{ image: IMAGE, gpuModel: "x" }], warmth: 3 },
    { containers: [krun(), app({ gpuModel: "x" })], warmth: 3 },
  ],
];

for (const [name, given, expected] of SHAPES) {
  Deno.test(`mesh template: ${name}`, () => {
    const made = mesh(given);
    assert.deepEqual(made, expected);
    assert.deepEqual(mesh(made), made, "again");
  });
}

const PROXIED = {
  HTTP_PROXY: "http://127.0.0.1:15007",
  http_proxy: "http://127.0.0.1:15007",
  HTTPS_PROXY: "http://127.0.0.1:15007",
  https_proxy: "http://127.0.0.1:15007",
  NO_PROXY: "localhost,127.0.0.1,::1,169.254.169.254,metadata.google.internal",
  no_proxy: "localhost,127.0.0.1,::1,169.254.169.254,metadata.google.internal",
};
const variablesOf = (template: RunTemplate) =>
  Object.fromEntries(
    template.containers!.at(-1)!.env!.map(({ name, value, valueSource }) => [name, valueSource ?? value]),
  );

Deno.test("mesh template: in whitebox mode the app gets the proxy's variables, and keeps its own", () => {
  const made = mesh({ containers: [{ image: IMAGE }] }, { capture: "whitebox" });
  assert.deepEqual(variablesOf(made), { PORT: "8080", ...PROXIED });
  assert.deepEqual(mesh(made, { capture: "whitebox" }), made, "again");
  assert.deepEqual(variablesOf(mesh(made)), { PORT: "8080", NO_PROXY: PROXIED.NO_PROXY, no_proxy: PROXIED.no_proxy });
  const secret = { secretKeyRef: { secret: "proxy", version: "1" } };
  const own = mesh(
    {
      containers: [{
        image: IMAGE,
        env: [{ name: "https_proxy", valueSource: secret }, { name: "NO_PROXY", value: "a.b" }],
      }],
    },
    { capture: "whitebox" },
  );
  const { HTTPS_PROXY: _, ...others } = PROXIED;
  const direct = `a.b,${PROXIED.NO_PROXY}`;
  assert.deepEqual(variablesOf(own), {
    PORT: "8080",
    ...others,
    https_proxy: secret,
    NO_PROXY: direct,
    no_proxy: direct,
  });
});

Deno.test("mesh template: krun is brought up to date, what a person has set besides stays", () => {
  const made = mesh({ containers: [{ image: IMAGE }] });
  const [first, second] = made.containers!;
  const edited = {
    ...made,
    containers: [{
      ...first!,
      env: [...first!.env!, { name: "MESH_DEBUG", value: "true" }],
      livenessProbe: { grpc: {} },
    }, {
      ...second!,
      image: "us-docker.pkg.dev/p/r/app:2",
    }],
  };
  const again = mesh(edited, { image: "golden:2", env: { XDS_AGENT_DEBUG: "all:debug" } });
  assert.deepEqual(again.containers, [
    krun({ MESH_DEBUG: "true", XDS_AGENT_DEBUG: "all:debug" }, { image: "golden:2", livenessProbe: { grpc: {} } }),
    app({ image: "us-docker.pkg.dev/p/r/app:2" }),
  ]);
});

Deno.test("mesh template: account and VPC are changed only where that is asked for", () => {
  const account = "k8s-shop@p.iam.gserviceaccount.com";
  const vpcAccess = { networkInterfaces: [{ network: "n", subnetwork: "s" }], egress: "PRIVATE_RANGES_ONLY" };
  const made = mesh({ containers: [{ image: IMAGE }] }, { serviceAccount: account, vpcAccess });
  assert.deepEqual([made.serviceAccount, made.vpcAccess], [account, vpcAccess]);
});

const REFUSED: [name: string, given: RunTemplate, got: RegExp][] = [
  ["no container", {}, /no container that gets the requests/],
  ["several, and none has a port", { containers: [{ image: "a" }, { image: "b" }] }, /no container that gets/],
  [
    "krun in the app's own image",
    { containers: [{ image: IMAGE, ports: [{ name: "h2c", containerPort: 15_009 }] }] },
    /it has krun in its own image[^]*do: register-service/,
  ],
  [
    "a port of Envoy's",
    { containers: [{ image: IMAGE, ports: [{ containerPort: 15_001 }] }] },
    /krun's ports are 15000/,
  ],
  [
    "another container of that name",
    { containers: [{ name: "krun", image: "x" }, { name: "web", image: IMAGE, ports: [{ containerPort: 80 }] }] },
    /called krun and is not krun's/,
  ],
];
for (const [name, given, got] of REFUSED) {
  Deno.test(`mesh template: ${name} is refused`, () => {
    assert.throws(() => mesh(given), (error: Error) => got.test(error.message) || assert.fail(error.message));
  });
}
