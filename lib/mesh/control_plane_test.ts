import assert from "node:assert/strict";
import { environmentLayers, resolve } from "../settings/mod.ts";
import { controlPlaneOf, rootsOf } from "./mod.ts";

const settingsOf = (environment: Record<string, string>) => resolve(environmentLayers(environment));

const PLANES: [
  name: string,
  environment: Record<string, string>,
  expected: Partial<ReturnType<typeof controlPlaneOf>>,
][] = [
  ["the internal gate", { IMCON_ADDR: "10.0.0.1", MCON_ADDR: "1.2.3.4", PROJECT_ID: "p" }, {
    xdsAddress: "10.0.0.1:15012",
    istiodName: "istiod.istio-system.svc",
    trustDomain: "p.svc.id.goog",
    audience: "p.svc.id.goog",
    clusterId: "Kubernetes",
    managed: false,
  }],
  ["the external gate", { MCON_ADDR: "1.2.3.4" }, {
    xdsAddress: "1.2.3.4:15012",
    trustDomain: "cluster.local",
    audience: "istio-ca",
  }],
  ["IPv6", { IMCON_ADDR: "fd00::1" }, { xdsAddress: "[fd00::1]:15012" }],
  ["an explicit address by its own name", { XDS_ADDR: "istiod-rev.istio-system.svc:15012", IMCON_ADDR: "10.0.0.1" }, {
    xdsAddress: "istiod-rev.istio-system.svc:15012",
    istiodName: undefined,
  }],
  ["managed", { MESH_TENANT: "t", PROJECT_ID: "p", CLUSTER_LOCATION: "l", CLUSTER_NAME: "c" }, {
    xdsAddress: "meshconfig.googleapis.com:443",
    caProvider: "GoogleCA",
    clusterId: "cn-p-l-c",
    managed: true,
  }],
  ["no tenant", { MESH_TENANT: "-", IMCON_ADDR: "10.0.0.1" }, { managed: false, xdsAddress: "10.0.0.1:15012" }],
  ["OSS_ISTIO", { OSS_ISTIO: "true", IMCON_ADDR: "10.0.0.1", PROJECT_ID: "p" }, {
    trustDomain: "cluster.local",
    audience: "istio-ca",
  }],
  ["a trust domain of one's own is open source Istio's", { TRUST_DOMAIN: "td", IMCON_ADDR: "10.0.0.1" }, {
    audience: "istio-ca",
  }],
  ["Google's trust domain is the audience", { TRUST_DOMAIN: "p.svc.id.goog", IMCON_ADDR: "10.0.0.1" }, {
    audience: "p.svc.id.goog",
  }],
];
for (const [name, environment, expected] of PLANES) {
  Deno.test(`control plane: ${name}`, () => {
    const plane = controlPlaneOf(settingsOf(environment)) as unknown as Record<string, unknown>;
    for (const [key, value] of Object.entries(expected)) assert.equal(plane[key], value, key);
  });
}

Deno.test("control plane: nothing names one", () =>
  assert.throws(() => controlPlaneOf(settingsOf({ WORKLOAD_NAMESPACE: "ns" })), {
    message: "find the mesh's control plane for namespace ns\n" +
      "  got: no config map mesh-env (in the namespace or in istio-system) that names it by IMCON_ADDR, MCON_ADDR or MESH_TENANT, and no XDS_ADDR\n" +
      "  do: install the gate (kubectl apply -k manifests/), or set XDS_ADDR=host:15012",
  }));

Deno.test("roots: all of CAROOT_*, each once; none is a Problem unless the system's are meant", () => {
  const plane = controlPlaneOf(settingsOf({ IMCON_ADDR: "10.0.0.1" }));
  assert.equal(rootsOf(settingsOf({ CAROOT_B: "two\n", CAROOT_A: "one", CAROOT_C: "one" }), plane), "one\ntwo\n");
  assert.throws(() => rootsOf(settingsOf({}), plane), /^Problem: find the root certificate of 10.0.0.1:15012\n/);
  assert.equal(rootsOf(settingsOf({}), controlPlaneOf(settingsOf({ MESH_TENANT: "t" }))), "");
});
