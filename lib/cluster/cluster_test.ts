import assert from "node:assert/strict";
import fc from "fast-check";
import { Problem } from "../base/errors.ts";
import type { GkeCluster } from "../gcp/mod.ts";
import { connect } from "./connect.ts";
import { endpointsOf } from "./endpoints.ts";
import { meshFile } from "./mesh_file.ts";
import { inRegion, orderClusters } from "./choose.ts";
import type { KubeAccess } from "../kube/mod.ts";
import type { Fetch } from "../base/http.ts";

function cluster(name: string, location: string, fields: Partial<GkeCluster> = {}): GkeCluster {
  return {
    name,
    location,
    status: "RUNNING",
    endpoint: undefined,
    masterAuth: {},
    resourceLabels: {},
    privateClusterConfig: {},
    controlPlaneEndpointsConfig: { dnsEndpointConfig: {} },
    ...fields,
  } as GkeCluster;
}
const MESH = { resourceLabels: { mesh_id: "proj-1" } };

const ORDERS: [name: string, given: GkeCluster[], preference: Parameters<typeof orderClusters>[1], names: string[]][] =
  [
    [
      "same region before label before name",
      [
        cluster("a", "us-east1"),
        cluster("istio-b", "us-east1"),
        cluster("c", "us-east1", MESH),
        cluster("d", "us-central1-c"),
      ],
      { region: "us-central1" },
      ["d", "c", "istio-b", "a"],
    ],
    ["equal ones by name", [cluster("b", "r"), cluster("a", "r"), cluster("c", "r")], {}, ["a", "b", "c"]],
    [
      "only RUNNING",
      [cluster("a", "r", { status: "STOPPING" }), cluster("b", "r"), cluster("c", "r", { status: "PROVISIONING" })],
      {},
      ["b"],
    ],
    ["the one named, though it is being upgraded", [cluster("a", "r", { status: "RECONCILING" }), cluster("b", "r")], {
      name: "a",
    }, ["a"]],
    ["the location named", [cluster("a", "r"), cluster("a", "s")], { name: "a", location: "s" }, ["a"]],
    ["none", [], {}, []],
  ];
for (const [name, given, preference, names] of ORDERS) {
  Deno.test(`clusters: ${name}`, () => {
    for (const order of [given, given.toReversed()]) {
      assert.deepEqual(orderClusters(order, preference).map(({ name }) => name), names);
    }
  });
}

Deno.test("clusters: the order does not depend on the order of the answer, and loses none that runs", () => {
  const any = fc.record({
    name: fc.constantFrom("a", "istio-a", "b"),
    location: fc.constantFrom("us-central1", "us-central1-a", "us-east1"),
    status: fc.constantFrom("RUNNING", "ERROR"),
    labelled: fc.boolean(),
  }).map(({ name, location, status, labelled }) => cluster(name, location, { status, ...(labelled ? MESH : {}) }));
  fc.assert(fc.property(fc.uniqueArray(any, { selector: (one) => `${one.name} ${one.location}` }), (clusters) => {
    const key = (all: GkeCluster[]) =>
      orderClusters(all, { region: "us-central1" }).map((one) => one.name + one.location);
    const counted = key(clusters);
    assert.equal(counted.length, clusters.filter((one) => one.status === "RUNNING").length);
    const regions = counted.map((text) => text.includes("us-central1"));
    assert.deepEqual(regions, regions.toSorted((a, b) => Number(b) - Number(a)));
  }));
});

Deno.test("a zone is in its region", () => {
  assert.equal(inRegion("us-central1-c", "us-central1"), true);
  assert.equal(inRegion("us-central1", "us-central1"), true);
  assert.equal(inRegion("us-central10", "us-central1"), false);
  assert.equal(inRegion("us-central1", undefined), false);
});

const PEM = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n";
const CA = { clusterCaCertificate: btoa(PEM) };
const dns = (allowExternalTraffic?: boolean) => ({
  dnsEndpointConfig: { endpoint: "gke-1.us-central1.gke.goog", allowExternalTraffic },
});
const ENDPOINTS: [name: string, fields: Partial<GkeCluster>, ways: string[]][] = [
  ["public", { endpoint: "34.1.2.3" }, ["public address https://34.1.2.3"]],
  ["IPv6", { endpoint: "2600::1" }, ["public address https://[2600::1]"]],
  [
    "public and private",
    { endpoint: "34.1.2.3", privateClusterConfig: { privateEndpoint: "10.0.0.2", enablePrivateEndpoint: false } },
    ["public address https://34.1.2.3", "private address https://10.0.0.2"],
  ],
  [
    "private only, both addresses being the private one",
    { endpoint: "10.0.0.2", privateClusterConfig: { privateEndpoint: "10.0.0.2", enablePrivateEndpoint: true } },
    ["private address https://10.0.0.2"],
  ],
  [
    "private only, by its own DNS name too",
    {
      endpoint: "10.0.0.2",
      privateClusterConfig: { enablePrivateEndpoint: true },
      controlPlaneEndpointsConfig: dns(true),
    },
    ["private address https://10.0.0.2", "DNS endpoint https://gke-1.us-central1.gke.goog (system roots)"],
  ],
  ["a DNS endpoint that is closed to the outside", { controlPlaneEndpointsConfig: dns(false) }, []],
  ["none", {}, []],
];
for (const [name, fields, ways] of ENDPOINTS) {
  Deno.test(`ways to a cluster: ${name}`, () => {
    const found = endpointsOf(cluster("c", "l", { masterAuth: CA, ...fields } as Partial<GkeCluster>));
    assert.deepEqual(
      found.map(({ kind, server, ca }) => `${kind} ${server}${ca === PEM ? "" : " (system roots)"}`),
      ways,
    );
  });
}

Deno.test("ways to a cluster: a CA that is none is a Problem", () => {
  for (const clusterCaCertificate of ["!", btoa("planted")]) {
    assert.throws(() => endpointsOf(cluster("c", "l", { endpoint: "1.2.3.4", masterAuth: { clusterCaCertificate } })), {
      message: "read the CA of a GKE cluster\n  got: no PEM certificate in masterAuth.clusterCaCertificate",
    });
  }
});

const way = (name: string): KubeAccess => ({ origin: name, server: `https://${name}.example` });
const hosts = (answers: Record<string, () => Promise<Response>>): Fetch => (url, { signal }) => {
  const answer = answers[new URL(url).hostname.replace(".example", "")];
  if (answer) return answer();
  return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
};
const one = (name: string, ...ways: string[]) => ({ name, ways: (ways.length > 0 ? ways : [name]).map(way) });
const ok = () => Promise.resolve(Response.json({ data: { A: "b" } }));
const refused = () => Promise.reject(new TypeError("Connection refused"));

async function connectTo(candidates: ReturnType<typeof one>[], fetch: Fetch): Promise<string> {
  const { kube, candidate } = await connect(
    candidates,
    (kube, limits) => kube.configMap("ns", "mesh-env", limits),
    { budgetMs: 150, fetch },
  );
  using used = kube;
  return `${candidate.name} by ${used.access.origin}`;
}

const CONNECTS: [name: string, candidates: ReturnType<typeof one>[], fetch: Fetch, taken: string][] = [
  ["the first that answers", [one("a"), one("b")], hosts({ a: ok, b: ok }), "a by a"],
  ["a silent one is passed over", [one("a"), one("b")], hosts({ b: ok }), "b by b"],
  ["one that refuses connections is passed over", [one("a"), one("b")], hosts({ a: refused, b: ok }), "b by b"],
  ["one without an address is passed over", [{ name: "a", ways: [] }, one("b")], hosts({ b: ok }), "b by b"],
  [
    "one without mesh-env is passed over",
    [one("a"), one("b")],
    hosts({ a: () => Promise.resolve(new Response("", { status: 404 })), b: ok }),
    "b by b",
  ],
  ["the next way of the same cluster", [one("a", "public", "private")], hosts({ private: ok }), "a by private"],
];
for (const [name, candidates, fetch, taken] of CONNECTS) {
  Deno.test(`connect: ${name}`, async () => assert.equal(await connectTo(candidates, fetch), taken));
}

Deno.test("connect: a refusal is an answer, not a reason to go on", () =>
  assert.rejects(
    connectTo([one("a"), one("b")], hosts({ a: () => Promise.resolve(new Response("no", { status: 403 })), b: ok })),
    /^HttpError: read config map ns\/mesh-env on a \(GET https:\/\/a\.example\/.*\)\n {2}got: 403 no/,
  ));

Deno.test("connect: none answers: each one's reason", () =>
  assert.rejects(connectTo([one("a"), one("b"), { name: "c", ways: [] }], hosts({ a: refused })), {
    message: "reach a cluster's API server (3 tried)\n" +
      "  got: a: no answer within its budget of 150 ms; b: no answer within its budget of 150 ms; c: it offers no address that can be used\n" +
      "  do: check the clusters' authorized networks and this workload's VPC egress, or name a cluster by CLUSTER_NAME and CLUSTER_LOCATION",
  }));

const FILES: [name: string, text: string, kind: string][] = [
  ["a kubeconfig", "kind: Config\napiVersion: v1\n", "kubeconfig"],
  ["a config map", "kind: ConfigMap\ndata: {PROJECT_ID: p}\n", "PROJECT_ID=p"],
  ["plain variables", "PROJECT_ID: p\n", "PROJECT_ID=p"],
  ["a list", "- a\n", "neither a kubeconfig nor a config map nor plain variables"],
  ["nothing", "", "neither a kubeconfig nor a config map nor plain variables"],
  ["numbers", "A: 1\n", "neither a kubeconfig nor a config map nor plain variables"],
  ["no YAML", "a: [planted\n", "neither JSON nor YAML: broken at line 2"],
];
for (const [name, text, expected] of FILES) {
  Deno.test(`MESH=file:// with ${name}`, async () => {
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(path, text);
      const said = await meshFile(path).then(
        (file) => file.kind === "kubeconfig" ? file.kind : `PROJECT_ID=${file.layer.values["PROJECT_ID"]}`,
        (error) =>
          error instanceof Problem && error.tried === `read ${path}, which MESH names` ? error.got : String(error),
      );
      assert.equal(said, expected);
    } finally {
      await Deno.remove(path);
    }
  });
}
