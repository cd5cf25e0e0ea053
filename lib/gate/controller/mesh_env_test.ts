import assert from "node:assert/strict";
import type { KubeObject } from "../../kube/mod.ts";
import { meshEnvOf, planMeshEnv } from "./mesh_env.ts";

const service = (ingress: unknown): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "hgate", namespace: "istio-system" },
  status: { loadBalancer: { ingress } },
});
const configMap = (data: Record<string, string>, owned: string[] = Object.keys(data)): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name: "mesh-env",
    namespace: "istio-system",
    managedFields: [{
      manager: "cloud-run-mesh",
      operation: "Apply",
      fieldsV1: { "f:data": Object.fromEntries(owned.map((key) => [`f:${key}`, {}])) },
    }],
  },
  data,
});

Deno.test("mesh-env: what is known, and nothing that is not", () => {
  const roots = configMap({ "root-cert.pem": "PEM\n" });
  assert.deepEqual(
    meshEnvOf({ projectId: "p", clusterName: "c", meshTenant: "" }, { internal: service([{ ip: "10.0.0.9" }]), roots }),
    { PROJECT_ID: "p", CLUSTER_NAME: "c", IMCON_ADDR: "10.0.0.9", CAROOT_ISTIOD: "PEM\n" },
  );
});

const PLANS: [
  name: string,
  current: KubeObject | undefined,
  desired: Record<string, string>,
  expected: ReturnType<typeof planMeshEnv>,
][] = [
  ["none yet", undefined, { A: "1" }, { data: { A: "1" }, kept: [], isNeeded: true }],
  ["nothing known", undefined, {}, { data: {}, kept: [], isNeeded: false }],
  ["all as it should be", configMap({ A: "1" }), { A: "1" }, { data: { A: "1" }, kept: [], isNeeded: false }],
  ["a new address", configMap({ A: "1" }), { A: "2" }, { data: { A: "2" }, kept: [], isNeeded: true }],
  ["a value that is unknown now stays", configMap({ A: "1", B: "1" }), { A: "2" }, {
    data: { A: "2", B: "1" },
    kept: [],
    isNeeded: true,
  }],
  ["unknown, and nothing else to do", configMap({ A: "1", B: "1" }), { A: "1" }, {
    data: { A: "1", B: "1" },
    kept: [],
    isNeeded: false,
  }],
  ["a person's key", configMap({ A: "p", B: "1" }, ["B"]), { A: "1", B: "2" }, {
    data: { B: "2" },
    kept: ["A"],
    isNeeded: true,
  }],
  ["a person's other keys", configMap({ CAROOT_OWN: "p" }, []), { A: "1" }, {
    data: { A: "1" },
    kept: [],
    isNeeded: true,
  }],
];
for (const [name, current, desired, expected] of PLANS) {
  Deno.test(`mesh-env: ${name}`, () => assert.deepEqual(planMeshEnv(current, desired), expected));
}
