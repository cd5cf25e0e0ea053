import assert from "node:assert/strict";
import fc from "fast-check";
import type { KubeObject } from "../../kube/mod.ts";
import { type RouteOptions, routesOf, type RouteSources } from "./routes.ts";

const OPTIONS: RouteOptions = {
  clusterDomain: "cluster.local",
  frontEndHosts: ["run.app", "api.example.com:8443"],
  istiod: { host: "istiod.istio-system.svc", port: 15_012, names: ["istiod.istio-system.svc"] },
};
const URL = "https://web-abc-uc.a.run.app";

interface Given {
  kind?: string;
  name?: string;
  namespace?: string;
  at?: string;
  url?: string | undefined;
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
  spec?: unknown;
}
function object(given: Given = {}): KubeObject {
  const { kind = "Service", name = "web", namespace = "prod", at = "2026-01-01T00:00:00Z", annotations, labels } =
    given;
  const url = "url" in given ? given.url : URL;
  return {
    apiVersion: "v1",
    kind,
    metadata: {
      name,
      namespace,
      creationTimestamp: at,
      ...(labels ? { labels } : {}),
      annotations: { ...(url === undefined ? {} : { "cloud-run-mesh/url": url }), ...annotations },
    },
    spec: given.spec ?? { ports: [{ port: 8080 }], selector: { app: "web" } },
  };
}
const sources = (given: Partial<RouteSources>): RouteSources => ({
  services: [],
  workloadEntries: [],
  serviceEntries: [],
  destinationRules: [],
  namespaces: [],
  ...given,
});
const routes = (given: Partial<RouteSources>, options: Partial<RouteOptions> = {}) =>
  routesOf(sources(given), { ...OPTIONS, ...options });
const SNI = "outbound_.8080_._.web.prod.svc.cluster.local";
const opened = object({ kind: "Namespace", name: "prod", labels: { "cloud-run-mesh/plain-hosts": "allowed" } });

Deno.test("routes: a Service with a URL", () => {
  const { routes: { tunnels, istiod, services }, problems } = routes({ services: [object()] });
  assert.deepEqual(problems, []);
  assert.deepEqual(tunnels, [{
    service: "prod/web",
    serverNames: [SNI],
    url: URL,
    audience: URL,
    path: "/_hbone/15003",
    limits: { tunnels: 10_000, connectTimeoutMs: 5_000, idleTimeoutMs: 3_600_000 },
  }]);
  assert.deepEqual(istiod, [{
    service: "istiod",
    serverNames: ["istiod.istio-system.svc"],
    host: "istiod.istio-system.svc",
    port: 15_012,
  }]);
  assert.equal(services, undefined);
});

Deno.test("routes: every port, every subset of the namespace's own DestinationRules, however the host is spelt", () => {
  const rule = (host: string, namespace: string, ...names: string[]) =>
    object({ kind: "DestinationRule", namespace, spec: { host, subsets: names.map((name) => ({ name })) } });
  const { routes: { tunnels: [route] } } = routes({
    services: [object({ spec: { ports: [{ port: 80 }, { port: 8080 }, { port: "x" }, { port: 0 }, { port: 80 }] } })],
    destinationRules: [
      rule("web", "prod", "v1"),
      rule("web.prod.svc.cluster.local", "prod", "V2", "bad_.name", ""),
      rule("web.prod.svc.cluster.local", "other", "theirs"),
    ],
  });
  assert.deepEqual(
    route!.serverNames.toSorted(),
    ["80", "8080"].flatMap((port) =>
      ["", "v1", "v2"].map((subset) => `outbound_.${port}_.${subset}_.web.prod.svc.cluster.local`)
    )
      .toSorted(),
  );
});

Deno.test("routes: a WorkloadEntry says the URL for the Service that selects it; one that nothing selects is reported", () => {
  const entry = (name: string, labels: Record<string, string>, namespace = "prod") =>
    object({ kind: "WorkloadEntry", name, namespace, spec: { labels }, url: `https://${name}.a.run.app` });
  const { routes: { tunnels }, problems } = routes({
    services: [object({ url: undefined })],
    workloadEntries: [
      entry("web-sni", { app: "web", more: "x" }),
      entry("lost", { app: "y" }),
      entry("far", { app: "web" }, "b"),
    ],
  });
  assert.deepEqual(tunnels.map(({ url }) => url), ["https://web-sni.a.run.app"]);
  assert.deepEqual(problems.map(({ object }) => object), ["WorkloadEntry b/far", "WorkloadEntry prod/lost"]);
});

const TARGETS: [name: string, given: Given, expected: { url: string; audience: string } | RegExp][] = [
  ["a slash at the end", { url: `${URL}/` }, { url: URL, audience: URL }],
  ["capitals", { url: "https://WEB-abc-uc.A.Run.App" }, { url: URL, audience: URL }],
  ["the deterministic URL", { url: "https://web-123456.us-central1.run.app" }, {
    url: "https://web-123456.us-central1.run.app",
    audience: "https://web-123456.us-central1.run.app",
  }],
  ["a host that is allowed with its port", { url: "https://api.example.com:8443" }, {
    url: "https://api.example.com:8443",
    audience: "https://api.example.com:8443",
  }],
  ["the same without it", { url: "https://api.example.com" }, /may not be given an ID token/],
  ["its own audience", { annotations: { "cloud-run-mesh/audience": URL } }, { url: URL, audience: URL }],
  [
    "another's audience",
    { annotations: { "cloud-run-mesh/audience": "https://victim-uc.a.run.app" } },
    /not known to be an audience/,
  ],
  ["no URL", { url: undefined }, /says no URL/],
  ["an empty URL", { url: "" }, /says no URL/],
  ["plain http", { url: "http://web-abc-uc.a.run.app" }, /not of the form/],
  ["a path", { url: `${URL}/x` }, /not of the form/],
  ["a query", { url: `${URL}?x` }, /not of the form/],
  ["user info", { url: "https://a@web.a.run.app" }, /not of the form/],
  ["a backslash", { url: "https://evil.example\\.a.run.app" }, /no host name/],
  ["a host that only ends like it", { url: "https://evilrun.app" }, /may not be given/],
  ["an allowed name inside", { url: "https://run.app.evil.example" }, /may not be given/],
  ["an IPv4 address", { url: "https://10.0.0.1" }, /no host name/],
  ["an IPv6 address", { url: "https://[::1]" }, /not of the form/],
  ["one label", { url: "https://localhost" }, /no host name/],
  ["a bad port", { url: "https://web.a.run.app:99999" }, /no such port/],
  ["another port", { url: "https://web.a.run.app:8443" }, /may not be given/],
  ["line ends", { url: "https://web.a.run.app\r\nx: y" }, /not of the form/],
  ["letters beyond ASCII", { url: "https://wéb.a.run.app" }, /no host name/],
  ["a tunnel that climbs", { annotations: { "cloud-run-mesh/tunnel": "../x" } }, /no tunnel's port or name/],
];
for (const [name, given, expected] of TARGETS) {
  Deno.test(`routes: URL and audience: ${name}`, () => {
    const { routes: { tunnels }, problems } = routes({ services: [object(given)] });
    if (expected instanceof RegExp) {
      assert.deepEqual(tunnels, []);
      assert.equal(problems.length, 1);
      assert.equal(problems[0]!.object, "Service prod/web");
      assert.match(problems[0]!.problem, expected);
    } else {
      assert.deepEqual(problems, []);
      assert.deepEqual({ url: tunnels[0]!.url, audience: tunnels[0]!.audience }, expected);
    }
  });
}

Deno.test("routes: an audience that is vouched for, and only by its own host", () => {
  const given = object({ annotations: { "cloud-run-mesh/audience": "shop" } });
  const vouched = (host: string, audience: string) => host === "web-abc-uc.a.run.app" && audience === "shop";
  assert.equal(routes({ services: [given] }, { vouched }).routes.tunnels[0]!.audience, "shop");
  assert.equal(routes({ services: [given] }, { vouched: () => false }).routes.tunnels.length, 0);
});

const CLAIMS: [name: string, host: string, isOpen: boolean, isTaken: boolean][] = [
  ["its own name", "web.prod.svc.cluster.local", false, true],
  ["another name of its namespace", "x.prod.svc.cluster.local", false, true],
  ["another namespace's", "web.bank.svc.cluster.local", false, false],
  ["another namespace's, though it may claim plain names", "web.bank.svc.cluster.local", true, false],
  ["istiod's", "istiod.istio-system.svc", true, false],
  ["a deeper name of its own namespace", "a.web.prod.svc.cluster.local", true, false],
  ["another name of the cluster's domain", "web.prod.pod.cluster.local", true, false],
  ["a plain name", "api.example.com", false, false],
  ["a plain name where that is allowed", "api.example.com", true, true],
  ["a wildcard", "*.example.com", true, false],
  ["an address", "10.0.0.1", true, false],
  ["the form of a sidecar's name", "outbound_.80_._.web.bank.svc.cluster.local", true, false],
];
for (const [name, host, isOpen, isTaken] of CLAIMS) {
  Deno.test(`routes: who may claim ${name}`, () => {
    const entry = object({
      kind: "ServiceEntry",
      name: "se",
      spec: { hosts: [host], ports: [{ number: 443, port: 443 }] },
    });
    const namespaces = isOpen ? [opened] : [];
    const byEntry = routes({ serviceEntries: [entry], namespaces });
    const names = byEntry.routes.tunnels.flatMap(({ serverNames }) => serverNames);
    assert.deepEqual(names, isTaken ? [`outbound_.443_._.${host}`, host] : []);
    assert.equal(byEntry.problems.length, isTaken ? 0 : 1);

    const service = object({ annotations: { "cloud-run-mesh/hosts": host } });
    const byAnnotation = routes({ services: [service], namespaces });
    assert.deepEqual(byAnnotation.routes.tunnels[0]!.serverNames, [SNI, ...(isTaken ? [host] : [])]);
    assert.equal(byAnnotation.problems.length, isTaken ? 0 : 1);
  });
}

Deno.test("routes: of two that claim one name the older has it, and the other is told, in whatever order they come", () => {
  const hosts = { "cloud-run-mesh/hosts": "api.example.com" };
  const young = object({ name: "a", at: "2026-02-02T00:00:00Z", annotations: hosts, url: "https://a.run.app" });
  const old = object({ name: "b", at: "2026-01-01T00:00:00Z", annotations: hosts, url: "https://b.run.app" });
  for (const services of [[young, old], [old, young]]) {
    const { routes: { tunnels }, problems } = routes({ services, namespaces: [opened] });
    assert.deepEqual(
      tunnels.filter(({ serverNames }) => serverNames.includes("api.example.com")).map(({ url }) => url),
      [
        "https://b.run.app",
      ],
    );
    assert.deepEqual(problems, [{
      object: "Service prod/a",
      problem: '"api.example.com" is that of Service prod/b, which is older',
    }]);
  }
});

Deno.test("routes: streams pass to Services that allow it, by their address", () => {
  const passthrough = [
    object({ name: "db", spec: { clusterIP: "10.96.0.7", ports: [{ port: 5432 }, { port: 80 }] } }),
    object({ name: "headless", spec: { clusterIP: "None", ports: [{ port: 80 }] } }),
  ];
  const { routes: { services }, problems } = routes({ passthrough });
  assert.deepEqual(
    services,
    [5432, 80].map((port) => ({
      service: `prod/db:${port}`,
      serverNames: [`outbound_.${port}_._.db.prod.svc.cluster.local`],
      host: "10.96.0.7",
      port,
    })),
  );
  assert.deepEqual(problems.map(({ object }) => object), ["Service prod/headless"]);
});

Deno.test("routes: whatever a namespace writes, no route leads elsewhere, takes another's name or breaks the rest", () => {
  const nasty = fc.oneof(
    fc.constantFrom(
      "web",
      "prod",
      "bank",
      "*",
      "",
      "..",
      "svc",
      "cluster.local",
      "web.bank.svc.cluster.local",
      "x.run.app",
      "__proto__",
      "constructor",
      "outbound_.8080_._.web.bank.svc.cluster.local",
      "https://x.run.app",
      "https://x.run.app#@evil.example",
      "https://evil.example/.run.app",
      "https://evil.example%2f.run.app",
      "web\u0000",
      "\u202egpj",
      "A",
      "1.2.3.4",
      "a,b,web.bank.svc.cluster.local",
    ),
    fc.string(),
    fc.string({ unit: "binary" }),
  );
  const anything = fc.oneof(
    nasty,
    fc.anything(),
    fc.record({
      ports: fc.oneof(fc.anything(), fc.array(fc.record({ port: fc.oneof(fc.integer(), nasty) }))),
      selector: fc.oneof(fc.anything(), fc.dictionary(nasty, nasty)),
      hosts: fc.oneof(fc.anything(), fc.array(nasty)),
      labels: fc.dictionary(nasty, nasty),
      host: nasty,
      subsets: fc.array(fc.record({ name: nasty })),
      clusterIP: nasty,
    }, { requiredKeys: [] }),
  );
  const hostile = (kind: string) =>
    fc.record({
      name: nasty,
      namespace: fc.constantFrom("prod", "evil", "x.y", "__proto__"),
      url: nasty,
      audience: nasty,
      hosts: nasty,
      tunnel: nasty,
      spec: anything,
      at: nasty,
    })
      .map(({ name, namespace, url, audience, hosts, tunnel, spec, at }) =>
        object({
          kind,
          name,
          namespace,
          url,
          spec,
          at,
          annotations: {
            "cloud-run-mesh/audience": audience,
            "cloud-run-mesh/hosts": hosts,
            "cloud-run-mesh/tunnel": tunnel,
          },
        })
      );
  const bank = object({ namespace: "bank", url: "https://bank-uc.a.run.app" });
  fc.assert(
    fc.property(
      fc.array(hostile("Service"), { maxLength: 4 }),
      fc.array(hostile("ServiceEntry"), { maxLength: 3 }),
      fc.array(hostile("WorkloadEntry"), { maxLength: 3 }),
      fc.array(hostile("DestinationRule"), { maxLength: 2 }),
      (services, serviceEntries, workloadEntries, destinationRules) => {
        const { routes: { tunnels, services: passed }, problems } = routes({
          services: [...services, bank],
          serviceEntries,
          workloadEntries,
          destinationRules,
          passthrough: services,
        });
        const seen = new Set<string>();
        for (const { service, serverNames, url, audience, path } of tunnels) {
          assert.match(url, /^https:\/\/(?:[a-z0-9-]+\.)+[a-z0-9-]+(?::8443)?$/);
          assert(url.endsWith("run.app") || url.endsWith("api.example.com:8443"), url);
          assert(audience === url || audience === `${url}/`);
          assert.match(path, /^\/_hbone\/[\w-]+$/);
          assert.match(service, /^[a-z0-9-]+\/[a-z0-9.-]+$/);
          for (const name of serverNames) {
            assert(!seen.has(name));
            seen.add(name);
            assert.match(name, /^(?:outbound_\.\d+_\.[a-z0-9-]*_\.)?[a-z0-9-]+\.[a-z0-9-]+\.svc\.cluster\.local$/);
            assert(name.endsWith(`.${service.split("/")[0]}.svc.cluster.local`), `${name} of ${service}`);
          }
        }
        assert(tunnels.some(({ service, serverNames }) => service === "bank/web" && serverNames.length === 1));
        for (const { service } of passed!) assert.match(service, /^[a-z0-9-]+\/[a-z0-9-]+:\d+$/);
        // deno-lint-ignore no-control-regex
        for (const { problem } of problems) assert.doesNotMatch(problem, /[\u0000-\u001f\u202e]/);
      },
    ),
    { numRuns: 2_000 },
  );
});

Deno.test("routes: five thousand services in one namespace take no time that grows with their square", () => {
  const many = (kind: string, spec: (at: number) => unknown, url?: string) =>
    Array.from({ length: 5_000 }, (_, at) => object({ kind, name: `s${at}`, spec: spec(at), url }));
  const started = performance.now();
  const { routes: { tunnels } } = routes({
    services: many("Service", (at) => ({ ports: [{ port: 80 }], selector: { app: `s${at}` } })),
    workloadEntries: many("WorkloadEntry", (at) => ({ labels: { app: `s${at}` } }), URL),
    destinationRules: many("DestinationRule", (at) => ({ host: `s${at}`, subsets: [{ name: "v1" }] })),
  });
  assert.equal(tunnels.length, 5_000);
  assert(performance.now() - started < 2_000, `${performance.now() - started} ms`);
});
