import assert from "node:assert/strict";
import type { RunTemplate } from "../../gcp/mod.ts";
import { deployCommands, shellText } from "./deploy_command.ts";
import { deployTemplate, type DeployWish } from "./deploy_template.ts";

const PLACE = { project: "my-project", region: "us-central1", service: "web" };
const WISH: DeployWish = {
  image: "web:2",
  namespace: "shop",
  serviceAccount: "k8s-shop@my-project.iam.gserviceaccount.com",
  env: {},
  ports: [],
  isGen1: false,
};
const NEW: RunTemplate = {
  serviceAccount: WISH.serviceAccount,
  executionEnvironment: "EXECUTION_ENVIRONMENT_GEN2",
  containers: [{
    image: "web:2",
    ports: [{ name: "h2c", containerPort: 15_009 }],
    resources: { cpuIdle: true, startupCpuBoost: true },
    startupProbe: { periodSeconds: 2, timeoutSeconds: 1, failureThreshold: 120, tcpSocket: { port: 15_009 } },
  }],
};
const [CONTAINER] = NEW.containers!;

const SHAPES: [name: string, before: RunTemplate | undefined, wish: Partial<DeployWish>, expected: RunTemplate][] = [
  ["a new one", undefined, {}, NEW],
  ["gen 1", undefined, { isGen1: true }, { ...NEW, executionEnvironment: "EXECUTION_ENVIRONMENT_GEN1" }],
  [
    "all that can be said",
    undefined,
    {
      serviceAccount: "web@my-project.iam.gserviceaccount.com",
      vpcAccess: { connector: "c" },
      env: { A: "1" },
      ports: [{ name: "http", port: 3000 }],
      concurrency: 10,
      timeoutMs: 900_000,
      cpu: "2",
      memory: "1Gi",
      minInstances: 0,
      maxInstances: 9,
    },
    {
      ...NEW,
      serviceAccount: "web@my-project.iam.gserviceaccount.com",
      vpcAccess: { connector: "c" },
      timeout: "900s",
      maxInstanceRequestConcurrency: 10,
      scaling: { minInstanceCount: 0, maxInstanceCount: 9 },
      containers: [{
        ...CONTAINER,
        env: [
          { name: "WORKLOAD_NAMESPACE", value: "shop" }, // the account does not say it
          { name: "PORT_http", value: "3000" },
          { name: "A", value: "1" },
        ],
        resources: { limits: { cpu: "2", memory: "1Gi" }, cpuIdle: true, startupCpuBoost: true },
      }],
    },
  ],
  [
    "one that is there keeps the rest",
    {
      revision: "web-blue",
      labels: { a: "b" },
      timeout: "7s",
      scaling: { minInstanceCount: 1, maxInstanceCount: 3 },
      volumes: [{ name: "v" }],
      vpcAccess: { connector: "c" },
      containers: [
        {
          name: "web-1",
          image: "web:1",
          command: ["/web"],
          env: [{ name: "A", value: "0" }, { name: "S", valueSource: { secretKeyRef: { secret: "s" } } }],
          ports: [{ name: "http1", containerPort: 8080 }],
          resources: { limits: { cpu: "4", memory: "2Gi" }, cpuIdle: false },
          startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 240 },
          livenessProbe: { httpGet: { path: "/live" } },
        },
        { name: "collector", image: "otel" },
      ],
    },
    { env: { A: "1" }, maxInstances: 5 },
    {
      ...NEW,
      labels: { a: "b" },
      timeout: "7s",
      scaling: { minInstanceCount: 1, maxInstanceCount: 5 },
      volumes: [{ name: "v" }],
      vpcAccess: { connector: "c" },
      containers: [
        {
          ...CONTAINER,
          name: "web-1",
          command: ["/web"],
          env: [{ name: "A", value: "1" }, { name: "S", valueSource: { secretKeyRef: { secret: "s" } } }],
          resources: { limits: { cpu: "4", memory: "2Gi" }, cpuIdle: false, startupCpuBoost: true },
          livenessProbe: { httpGet: { path: "/live" } },
        },
        { name: "collector", image: "otel" },
      ],
    },
  ],
  [
    "a probe of 15009 is somebody's choice",
    { containers: [{ image: "web:1", startupProbe: { httpGet: { path: "/ready", port: 15_009 } } }] },
    {},
    {
      ...NEW,
      containers: [{ ...CONTAINER, startupProbe: { httpGet: { path: "/ready", port: 15_009 } } }],
    },
  ],
];
for (const [name, before, wish, expected] of SHAPES) {
  Deno.test(`deploy: ${name}`, () => {
    const made = deployTemplate(before, { ...WISH, ...wish }, "deploy web");
    assert.deepEqual(made, expected);
    assert.deepEqual(deployTemplate(made, { ...WISH, ...wish }, "deploy web"), made, "again");
  });
}

Deno.test("deploy: krun in a container of its own is refused", () => {
  const krun = { name: "krun", env: [{ name: "PORT_http", value: "8080" }], ports: [{}] };
  assert.throws(() => deployTemplate({ containers: [krun, { name: "app" }] }, WISH, "deploy web"), /add-service/);
});

Deno.test("deploy: the same for gcloud and for the API", () => {
  const wish = { ...WISH, env: { A: "1,2", B: "it's" }, concurrency: 10, isOpen: true };
  const { gcloud, rest } = deployCommands(PLACE, wish, { network: "default", subnet: "s" });
  assert.deepEqual(gcloud, [
    ...[
      "gcloud",
      "run",
      "deploy",
      "web",
      "--project=my-project",
      "--region=us-central1",
      "--image=web:2",
      "--use-http2",
    ],
    ...["--port=15009", "--execution-environment=gen2", `--service-account=${WISH.serviceAccount}`, "--cpu-boost"],
    "--startup-probe=periodSeconds=2,timeoutSeconds=1,failureThreshold=120,tcpSocket.port=15009",
    ...["--network=default", "--subnet=s", "--vpc-egress=private-ranges-only"],
    ...["--update-env-vars=^::^A=1,2::B=it's", "--concurrency=10", "--no-invoker-iam-check"],
  ]);
  assert.match(shellText(gcloud), /^gcloud run deploy web \\\n {2}--project=my-project \\\n/);
  assert.match(shellText(gcloud), / \\\n {2}'--update-env-vars=\^::\^A=1,2::B=it'\\''s' \\\n/);
  assert.equal(
    rest.url,
    "https://run.googleapis.com/v2/projects/my-project/locations/us-central1/services?serviceId=web",
  );
  assert.deepEqual(rest.body, {
    template: {
      ...NEW,
      maxInstanceRequestConcurrency: 10,
      vpcAccess: { networkInterfaces: [{ network: "default", subnetwork: "s" }], egress: "PRIVATE_RANGES_ONLY" },
      containers: [{ ...CONTAINER, env: [{ name: "A", value: "1,2" }, { name: "B", value: "it's" }] }],
    },
    invokerIamDisabled: true,
  });
  for (const vpc of [{ connector: "c", network: "n" }, { connector: "c", subnet: "s" }]) {
    assert.throws(() => deployCommands(PLACE, WISH, vpc), { name: "UsageError" });
  }
});
