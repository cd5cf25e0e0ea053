import assert from "node:assert/strict";
import { environmentLayers, meshEnvLayer, resolve, type Settings } from "../settings/mod.ts";
import { controlPlaneOf, meshChange, type MeshState, rootsOf } from "./mod.ts";

const MESH_ENV = { IMCON_ADDR: "10.0.0.1", CAROOT_ISTIOD: "one", PROJECT_ID: "p", TRUST_DOMAIN: "td" };
const settle = (meshEnv: Record<string, string>, environment: Record<string, string> = {}): Settings =>
  resolve([...environmentLayers(environment), meshEnvLayer(meshEnv, "istio-system", "istio-system/mesh-env")]);

function running(environment?: Record<string, string>): MeshState {
  const settings = settle(MESH_ENV, environment);
  const controlPlane = controlPlaneOf(settings);
  return { settings, controlPlane, roots: rootsOf(settings, controlPlane) };
}

const NOTHING = { newRoots: false, newControlPlane: false, later: [] as string[] };

const CHANGES: [
  name: string,
  change: Record<string, string>,
  expected: { newRoots?: boolean; newControlPlane?: boolean; later?: string[] },
  environment?: Record<string, string>,
][] = [
  ["nothing", {}, {}],
  ["a second root", { CAROOT_NEXT: "two" }, { newRoots: true }],
  ["the same root by a second name", { CAROOT_NEXT: "one" }, {}],
  ["another gate", { IMCON_ADDR: "10.0.0.2" }, { newControlPlane: true }],
  ["a gate that is not the one in use", { MCON_ADDR: "192.0.2.1" }, {}],
  ["an address that the environment gives", { IMCON_ADDR: "10.0.0.2" }, {}, { XDS_ADDR: "10.9.9.9:15012" }],
  ["another trust domain, and with it another audience", { TRUST_DOMAIN: "p.svc.id.goog" }, { newControlPlane: true }],
  ["both", { IMCON_ADDR: "10.0.0.2", CAROOT_ISTIOD: "two" }, { newRoots: true, newControlPlane: true }],
  ["what went into the proxy at the start", { ISTIO_META_X: "1", ENVOY_LOG_LEVEL: "debug", PORT_admin: "9000" }, {
    later: ["ENVOY_LOG_LEVEL", "ISTIO_META_X", "PORT_admin"],
  }],
  ["another project", { PROJECT_ID: "q" }, { later: ["PROJECT_ID"] }],
  ["out of the mesh", { XDS_ADDR: "-", CAROOT_NEXT: "two" }, { newRoots: true, later: ["XDS_ADDR"] }],
];
for (const [name, change, expected, environment] of CHANGES) {
  Deno.test(`mesh change: ${name}`, () => {
    const { to: _, ...found } = meshChange(running(environment), settle({ ...MESH_ENV, ...change }, environment));
    assert.deepEqual(found, { ...NOTHING, ...expected });
  });
}

Deno.test("mesh change: what is left for the next start is not mixed into this one", () => {
  const read = settle({ ...MESH_ENV, IMCON_ADDR: "10.0.0.2", PROJECT_ID: "q", ISTIO_META_X: "1" });
  const { to } = meshChange(running(), read);
  assert.equal(to.controlPlane.xdsAddress, "10.0.0.2:15012");
  assert.equal(to.settings.projectId, "p");
  assert.equal(to.settings.others["ISTIO_META_X"], undefined);
  assert.deepEqual(meshChange(to, read), { ...NOTHING, to, later: ["ISTIO_META_X", "PROJECT_ID"] }, "a second time");
});

Deno.test("mesh change: a mesh-env that names nothing any more is a Problem", () => {
  const { IMCON_ADDR: _, ...rest } = MESH_ENV;
  assert.throws(() => meshChange(running(), settle(rest)), /^Problem: find the mesh's control plane/);
  assert.throws(() => meshChange(running(), settle({ IMCON_ADDR: "10.0.0.1" })), /^Problem: find the root certificate/);
});
