import assert from "node:assert/strict";
import type { KubeObject } from "../kube/mod.ts";
import {
  drainableSeconds,
  isHostName,
  isLabel,
  parseServiceName,
  type Registration,
  registrationObjects,
} from "./mod.ts";

const WEB: Registration = {
  name: "web",
  namespace: "prod",
  url: "https://web-abc-uc.a.run.app",
  gateAddress: "10.0.0.9",
};
const deepGet = (objects: KubeObject[], kind: string, ...path: string[]): unknown => {
  let at: unknown = objects.find((object) => object.kind === kind);
  for (const part of path) at = (at as Record<string, unknown> | undefined)?.[part];
  return at;
};

Deno.test("registration: the objects of a service", () => {
  const objects = registrationObjects(WEB);
  assert.deepEqual(
    objects.map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.namespace}/${metadata.name}`),
    [
      "v1 Service prod/web",
      "networking.istio.io/v1 WorkloadEntry prod/web-sni",
      "networking.istio.io/v1 DestinationRule prod/web",
      "security.istio.io/v1 PeerAuthentication prod/web",
      "networking.istio.io/v1 Sidecar prod/web",
    ],
  );
  assert.deepEqual(deepGet(objects, "Service", "spec"), {
    selector: { "mesh-cloudrun": "web" },
    ports: [{ name: "http", port: 8080, protocol: "TCP", targetPort: 15_443 }],
  });
  assert.deepEqual(deepGet(objects, "WorkloadEntry", "spec"), {
    address: "10.0.0.9",
    ports: { http: 15_442 },
    labels: { app: "web", "mesh-cloudrun": "web", "service.istio.io/canonical-name": "web" },
    serviceAccount: "default",
  });
  assert.deepEqual(deepGet(objects, "DestinationRule", "spec"), {
    host: "web.prod.svc.cluster.local",
    trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } },
  });
  for (const { metadata } of objects) {
    assert.equal(metadata.labels!["app.kubernetes.io/managed-by"], "cloud-run-mesh");
    assert.equal(metadata.labels!["mesh-cloudrun"], "web");
  }
  assert.deepEqual(objects[0]!.metadata.annotations, { "cloud-run-mesh/url": "https://web-abc-uc.a.run.app" });
});

const SHAPES: [name: string, given: Partial<Registration>, kind: string, path: string[], expected: unknown][] = [
  ["timeout", { requestTimeoutMs: 300_000 }, "DestinationRule", ["spec", "trafficPolicy", "connectionPool"], {
    tcp: { maxConnectionDuration: "240s" },
  }],
  ["concurrency", { concurrency: 80 }, "DestinationRule", ["spec", "trafficPolicy", "connectionPool"], {
    http: { maxConcurrentStreams: 80 },
  }],
  ["no concurrency", { concurrency: 0 }, "DestinationRule", ["spec", "trafficPolicy", "connectionPool"], {
    http: { maxConcurrentStreams: 1 },
  }],
  ["ports", { ports: [{ name: "http", port: 80 }, { name: "grpc", port: 8079 }] }, "WorkloadEntry", ["spec", "ports"], {
    http: 15_442,
    grpc: 15_442,
  }],
  ["HTTP/1.1 only", {}, "Sidecar", ["spec", "ingress", "0", "connectionPool"], undefined],
  ...["grpc", "http2-api"].map((name): (typeof SHAPES)[number] => [
    `${name} is spoken to the app too`,
    { ports: [{ name: "http", port: 80 }, { name, port: 8079 }] },
    "Sidecar",
    ["spec", "ingress", "0", "connectionPool"],
    { http: { useClientProtocol: true } },
  ]),
  ["the app's own port", { appPort: 3000 }, "Sidecar", ["spec", "ingress", "0", "defaultEndpoint"], "127.0.0.1:3000"],
  ["domain", { clusterDomain: "example.org" }, "DestinationRule", ["spec", "host"], "web.prod.svc.example.org"],
  [
    "canonical",
    { canonicalName: "shop" },
    "WorkloadEntry",
    ["spec", "labels", "service.istio.io/canonical-name"],
    "shop",
  ],
  ["account", { serviceAccount: "runner" }, "WorkloadEntry", ["spec", "serviceAccount"], "runner"],
  ["owner", { owner: "Service prod/web" }, "Sidecar", ["metadata", "annotations"], {
    "cloud-run-mesh/owner": "Service prod/web",
  }],
  ["audience", { audience: "shop" }, "Service", ["metadata", "annotations", "cloud-run-mesh/audience"], "shop"],
  [
    "a person's Service keeps all but annotations",
    { service: { selector: { app: "x" } } },
    "Service",
    ["spec"],
    undefined,
  ],
  ["a person's Service is not ours to delete", { service: { selector: { app: "x" } } }, "Service", [
    "metadata",
    "labels",
  ], undefined],
  [
    "the entry has what it selects",
    { service: { selector: { app: "x" } } },
    "WorkloadEntry",
    ["spec", "labels", "app"],
    "x",
  ],
  ["the workload is found by krun's own label", { workload: "shop" }, "Sidecar", ["spec", "workloadSelector"], {
    labels: { app: "shop" },
  }],
  [
    "and named by it",
    { workload: "shop" },
    "WorkloadEntry",
    ["spec", "labels", "service.istio.io/canonical-name"],
    "shop",
  ],
  ["a Service without a selector gets one", { service: { selector: undefined } }, "Service", ["spec"], {
    selector: { "mesh-cloudrun": "web" },
  }],
];
for (const [name, given, kind, path, expected] of SHAPES) {
  Deno.test(`registration: ${name}`, () => {
    assert.deepEqual(deepGet(registrationObjects({ ...WEB, ...given }), kind, ...path), expected);
  });
}

Deno.test("registration: a connection ends before the service's own timeout, with time for what is in flight", () => {
  const cases: [timeoutSeconds: number, expected: number][] = [
    [300, 240],
    [3_600, 3_300],
    [8, 5],
    [4, 2],
    [1, 0.5],
    [60, 48],
  ];
  for (const [timeout, expected] of cases) assert.equal(drainableSeconds(timeout * 1_000), expected, `${timeout} s`);
});

Deno.test("registration: names", () => {
  for (const good of ["a", "web-1", "0x", "a".repeat(63)]) assert(isLabel(good), good);
  for (const bad of ["", "A", "-a", "a-", "a.b", "a_b", "a".repeat(64), "ä", "a\n", "*"]) assert(!isLabel(bad), bad);
  for (const good of ["a.b", "api.example.com", "x1.y-2.z"]) assert(isHostName(good), good);
  for (const bad of ["a", "1.2.3.4", "a..b", "a.b.", ".a.b", "*.a.b", "a.B", "::1", "a.b:1"]) {
    assert(!isHostName(bad), bad);
  }
  const defaults = { project: "my-project", region: "us-central1" };
  const full = { project: "my-project", region: "us-central1", service: "web" };
  assert.deepEqual(parseServiceName("web", defaults), full);
  assert.deepEqual(parseServiceName("europe-west1/web", defaults), { ...full, region: "europe-west1" });
  assert.deepEqual(parseServiceName("my-project/us-central1/web"), full);
  assert.deepEqual(parseServiceName("projects/my-project/locations/us-central1/services/web"), full);
  for (const bad of ["", "web", "a/b/c/d", "projects/p/locations/r/services/web/x", "../x", "us/web", "p%2f/us/web"]) {
    assert.equal(parseServiceName(bad), undefined, bad);
  }
});
