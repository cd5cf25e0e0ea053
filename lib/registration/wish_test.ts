import assert from "node:assert/strict";
import fc from "fast-check";
import type { KubeObject } from "../kube/mod.ts";
import { registrationObjects } from "./registration.ts";
import { registrationOf, type Wish, type WishedFacts, wishOf } from "./wish.ts";

const CLOUD_RUN = { project: "my-project", region: "us-central1", service: "web" };
const WEB: Wish = { name: "web", namespace: "prod", cloudRun: CLOUD_RUN };
const FACTS: WishedFacts = {
  url: "https://web-abc-uc.a.run.app",
  timeoutMs: 300_000,
  concurrency: 80,
  gateAddress: "10.0.0.9",
};
const objects = (wish: Wish, facts: Partial<WishedFacts> = {}) =>
  registrationObjects(registrationOf(wish, { ...FACTS, ...facts })!);
const specOf = (all: readonly KubeObject[], kind: string) => all.find((object) => object.kind === kind)?.["spec"];
const pool = (wish: Wish) =>
  (specOf(objects(wish), "DestinationRule") as { trafficPolicy: { connectionPool: unknown } }).trafficPolicy
    .connectionPool;

const command = fc.record({
  by: fc.constant("register-service"),
  url: fc.constantFrom(undefined, "https://shop.example.com"),
  gateAddress: fc.constantFrom(undefined, "192.0.2.7"),
  invoker: fc.constantFrom(undefined, "projects/p/locations/r/services/web=serviceAccount:hgate@p.iam"),
  partOf: fc.constantFrom(undefined, "shop"),
});
const wish = fc.record({
  name: fc.constantFrom("web", "web-us-central1"),
  namespace: fc.constant("prod"),
  cloudRun: fc.constant(CLOUD_RUN),
  ports: fc.constantFrom([{ name: "http", port: 80 }], [{ name: "http", port: 80 }, { name: "grpc", port: 8079 }]),
  audience: fc.constantFrom(undefined, "shop"),
  service: fc.constantFrom(
    undefined,
    { selector: undefined, isLabelled: true },
    { selector: { app: "x" }, isLabelled: true },
    { selector: { app: "x" } },
  ),
  workload: fc.constantFrom(undefined, "shop"),
  serviceAccount: fc.constantFrom(undefined, "runner"),
  maxStreams: fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: undefined }),
  maxConnectionMs: fc.option(fc.integer({ min: 1, max: 3_600_000 }), { nil: undefined }),
  command,
});

Deno.test("wish: what a command wrote to the Service is enough to write all of it again, alike", () => {
  fc.assert(
    fc.property(wish, (wish) => {
      const written = objects(wish);
      const service = structuredClone(written[0]!) as KubeObject & { metadata: { labels?: Record<string, string> } };
      if (wish.service) { // what was there before is a person's
        const { selector = { "mesh-cloudrun": wish.name } } = wish.service;
        const labels = wish.service.isLabelled ? service.metadata.labels : { "mesh-cloudrun": "theirs" };
        service["spec"] = { ports: wish.ports, selector };
        service.metadata = { ...service.metadata, ...(labels ? { labels } : {}) };
        if (wish.command.partOf) return; // a region's own Service is never a person's
      }
      const again = wishOf(service, CLOUD_RUN);
      assert(typeof again !== "string", String(again));
      assert.deepEqual(objects(again), written);
    }),
    { numRuns: 500 },
  );
});

Deno.test("wish: the command's words win over what is found, and what it does not say is followed", () => {
  const said = { ...WEB, command: { by: "register-service", url: "https://x.example", gateAddress: "192.0.2.7" } };
  const { url, gateAddress } = registrationOf(said, FACTS)!;
  assert.deepEqual([url, gateAddress], ["https://x.example", "192.0.2.7"]);
  assert.deepEqual(pool(WEB), { tcp: { maxConnectionDuration: "240s" }, http: { maxConcurrentStreams: 80 } });
  assert.deepEqual(pool({ ...WEB, maxStreams: 8 }), {
    tcp: { maxConnectionDuration: "240s" },
    http: { maxConcurrentStreams: 8 },
  });
  assert.deepEqual(pool({ ...WEB, maxConnectionMs: 90_000 }), {
    tcp: { maxConnectionDuration: "90s" },
    http: { maxConcurrentStreams: 80 },
  });
});

Deno.test("wish: without a URL or a gate there is no registration", () => {
  assert.equal(registrationOf(WEB, { ...FACTS, url: undefined }), undefined);
  assert.equal(registrationOf(WEB, { ...FACTS, gateAddress: undefined }), undefined);
});

Deno.test("wish: one region of several has no objects for the workload, which is the whole's", () => {
  const kinds = objects({ ...WEB, command: { by: "x", partOf: "shop" } });
  assert.deepEqual(kinds.map(({ kind }) => kind), ["Service", "WorkloadEntry", "DestinationRule"]);
  for (const { metadata } of kinds) assert.equal(metadata.labels!["cloud-run-mesh/part-of"], "shop");
});

const service = (annotations: Record<string, string>, spec: unknown = { ports: [{ name: "http", port: 80 }] }) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "prod", annotations },
  spec,
});

Deno.test("wish: a person's annotations are read, a command's only where one registered", () => {
  const annotations = {
    "cloud-run-mesh/workload": "shop",
    "cloud-run-mesh/service-account": "runner",
    "cloud-run-mesh/max-streams": "5",
    "cloud-run-mesh/max-connection": "1.5s",
    "cloud-run-mesh/url": "https://x.example",
    "cloud-run-mesh/keep-url": "true",
    "cloud-run-mesh/gate": "192.0.2.7",
    "cloud-run-mesh/audience": "shop",
  };
  const theirs = wishOf(service(annotations), CLOUD_RUN);
  assert(typeof theirs !== "string");
  assert.deepEqual({ ...theirs, ports: undefined }, {
    ...WEB,
    ports: undefined,
    audience: undefined,
    service: { selector: undefined },
    workload: "shop",
    serviceAccount: "runner",
    maxStreams: 5,
    maxConnectionMs: 1_500,
    command: undefined,
  });
  const ours = wishOf(service({ ...annotations, "cloud-run-mesh/registered-by": "register-service" }), CLOUD_RUN);
  assert(typeof ours !== "string");
  assert.equal(ours.audience, "shop");
  assert.deepEqual(ours.command, {
    by: "register-service",
    url: "https://x.example",
    gateAddress: "192.0.2.7",
    invoker: undefined,
    partOf: undefined,
  });
});

const UNREADABLE: [name: string, given: KubeObject, expected: RegExp][] = [
  ["no spec", service({}, null), /ports cannot be read/],
  ["a port without a name", service({}, { ports: [{ port: 80 }] }), /need names/],
  ["streams: a word", service({ "cloud-run-mesh/max-streams": "many" }), /max-streams is no whole number/],
  ["streams: none", service({ "cloud-run-mesh/max-streams": "0" }), /max-streams is no whole number/],
  ["streams: a fraction", service({ "cloud-run-mesh/max-streams": "1.5" }), /max-streams is no whole number/],
  ["connection: no unit", service({ "cloud-run-mesh/max-connection": "240" }), /max-connection is no time/],
  ["connection: minutes", service({ "cloud-run-mesh/max-connection": "4m" }), /max-connection is no time/],
  ["connection: nothing", service({ "cloud-run-mesh/max-connection": "0s" }), /max-connection is no time/],
  ["workload", service({ "cloud-run-mesh/workload": "a b" }), /workload is no label's value/],
  ["account", service({ "cloud-run-mesh/service-account": "../x" }), /service-account is no name of a service account/],
  [
    "gate: a socket",
    service({ "cloud-run-mesh/registered-by": "x", "cloud-run-mesh/gate": "unix:///run/x" }),
    /gate is no IP address/,
  ],
  [
    "gate: a name",
    service({ "cloud-run-mesh/registered-by": "x", "cloud-run-mesh/gate": "gate.example" }),
    /gate is no IP address/,
  ],
  ["connection: two", service({ "cloud-run-mesh/max-connection": "4ss" }), /max-connection is no time/],
];
for (const [name, given, expected] of UNREADABLE) {
  Deno.test(`wish: ${name}`, () => {
    const read = wishOf(given, CLOUD_RUN);
    assert(typeof read === "string");
    assert.match(read, expected);
  });
}
