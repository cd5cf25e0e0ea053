/** Faults of mesh-env, istiod and the gate. */
import { GATE_ACCOUNT } from "./admin_world.ts";
import { type Fault, field, gone, meshEnv, SYSTEM } from "./doctor_fault.ts";
import type { DoctorWorld } from "./doctor_world.ts";

const ISTIOD = "istiod.istio-system.svc";

/** A second root that ends, the same one wherever there are roots: that it ends is all that is wrong. */
const endingRoot = (lifetimeSeconds: number): Fault["plant"] => (world) => {
  const pem = world.root.certificatePem +
    world.root.issue({ commonName: "a root that ends", lifetimeSeconds }).certificatePem;
  const undo = [
    meshEnv("CAROOT_ISTIOD", () => pem)(world),
    field("configmaps", SYSTEM, "istio-ca-root-cert", ["data", "root-cert.pem"], pem)(world),
  ];
  return () => undo.forEach((one) => one());
};

const istiodShows =
  (certificate: (world: DoctorWorld) => Parameters<DoctorWorld["istiodShows"]>[0]): Fault["plant"] => (world) =>
    world.istiodShows(certificate(world));

export const MESH_FAULTS: readonly Fault[] = [
  {
    name: "no mesh-env",
    plant: gone("configmaps", SYSTEM, "mesh-env"),
    found: { "mesh-env.copies": "fail" },
    says: /manifests\/hgate/,
  },
  {
    name: "mesh-env without addresses",
    plant: field("configmaps", SYSTEM, "mesh-env", ["data"], {
      PROJECT_ID: "p",
      CLUSTER_NAME: "c",
      CLUSTER_LOCATION: "l",
      CAROOT_ISTIOD: "x",
    }),
    found: { "mesh-env.keys": "fail" },
    says: /IMCON_ADDR or MCON_ADDR/,
  },
  {
    name: "mesh-env without a root",
    plant: meshEnv("CAROOT_ISTIOD", () => undefined),
    found: { "mesh-env.keys": "fail" },
    says: /CAROOT_ISTIOD \(whom to trust/,
  },
  {
    name: "mesh-env without the project",
    plant: meshEnv("PROJECT_ID", () => undefined),
    found: { "mesh-env.keys": "warn" },
    says: /PROJECT_ID/,
  },
  { name: "a root that is none", plant: meshEnv("CAROOT_ISTIOD", () => "ROOT"), found: { "mesh-env.roots": "fail" } },
  {
    name: "a root that has ended",
    plant: endingRoot(-3 * 86_400),
    found: { "mesh-env.roots": "fail" },
    says: /ended 3 days ago/,
  },
  {
    name: "a root that ends soon",
    plant: endingRoot(20 * 86_400),
    found: { "mesh-env.roots": "warn" },
    says: /ends in (19|20) days/,
  },
  {
    name: "another mesh's root",
    plant: meshEnv("CAROOT_ISTIOD", ({ otherRoot }) => otherRoot.certificatePem),
    found: { "mesh-env.root-current": "fail" },
    says: /kubectl -n istio-system patch configmap mesh-env/,
  },
  {
    name: "mesh-env with another gate",
    plant: meshEnv("MCON_ADDR", () => "198.51.100.9"),
    found: { "mesh-env.gate": "warn" },
    says: /198\.51\.100\.9/,
  },
  {
    name: "istiod is down",
    plant: field("deployments", SYSTEM, "istiod", ["status", "readyReplicas"], 0),
    found: { "istiod.ready": "fail" },
  },
  { name: "no istiod", plant: gone("deployments", SYSTEM, "istiod"), found: { "istiod.ready": "fail" } },
  {
    name: "an old Istio",
    plant: field(
      "deployments",
      SYSTEM,
      "istiod",
      ["spec", "template", "spec", "containers", 0, "image"],
      "istio/pilot:1.20.3-distroless",
    ),
    found: { "istiod.version": "warn" },
    says: /1\.20\.3/,
  },
  {
    name: "no Sidecar objects",
    plant(world) {
      const { missingKinds } = world.admin.kubernetes.state;
      missingKinds.add("workloadgroups.networking.istio.io");
      return () => void missingKinds.delete("workloadgroups.networking.istio.io");
    },
    found: { "istiod.kinds": "fail" },
    says: /workloadgroups/,
  },
  {
    name: "istiod by another root",
    plant: istiodShows(({ otherRoot }) => otherRoot.issue({ commonName: "istiod", subjectAltNames: [ISTIOD] })),
    found: { "istiod.tls": "fail" },
    says: /not trusted/,
  },
  {
    name: "istiod by another name",
    plant: istiodShows(({ root }) => root.issue({ commonName: "istiod", subjectAltNames: ["istiod.other.svc"] })),
    found: { "istiod.tls": "fail" },
    says: /istiod\.other\.svc, not for istiod\.istio-system\.svc/,
  },
  {
    name: "istiod's certificate has ended",
    plant: istiodShows(({ root }) =>
      root.issue({ commonName: "istiod", subjectAltNames: [ISTIOD], lifetimeSeconds: -7_200 })
    ),
    found: { "istiod.tls": "fail" },
    says: /ended 2 hours ago.*rollout restart deployment\/istiod/,
  },
  {
    name: "the gate is down",
    plant: field("deployments", SYSTEM, "hgate", ["status"], {}),
    found: { "gate.deployment": "fail" },
  },
  {
    name: "the gate is scaled to 0",
    plant: field("deployments", SYSTEM, "hgate", ["spec", "replicas"], 0),
    found: { "gate.deployment": "fail" },
    says: /scale deployment hgate --replicas 2/,
  },
  {
    name: "one replica of the gate is down",
    plant: field("deployments", SYSTEM, "hgate", ["status", "readyReplicas"], 1),
    found: { "gate.deployment": "warn" },
  },
  {
    name: "the gate has no address",
    plant: field("services", SYSTEM, "internal-hgate", ["status"], {}),
    found: { "gate.internal-address": "fail" },
  },
  {
    name: "the gate's Service has no tunnel port",
    plant: field("services", SYSTEM, "internal-hgate", ["spec", "ports"], [{ name: "tls-istiod", port: 15_012 }]),
    found: { "gate.internal-address": "fail" },
    says: /15442/,
  },
  {
    name: "no external address",
    plant: field("services", SYSTEM, "hgate", ["status"], {}),
    found: { "gate.external-address": "warn" },
  },
  {
    name: "the gate's status is public",
    plant: field("services", SYSTEM, "hgate", ["spec", "ports"], [{ name: "http", port: 8_080 }, {
      name: "tls-istiod",
      port: 15_012,
    }]),
    found: { "gate.status-private": "fail" },
  },
  {
    name: "nobody at 15442",
    plant: (world) => world.closePort(15_442),
    found: { "gate.port-15442": "fail" },
    says: /refused/,
  },
  { name: "nobody at 15012", plant: (world) => world.closePort(15_012), found: { "gate.port-15012": "fail" } },
  {
    name: "the gate is not ready",
    plant(world) {
      world.gateReport.notReady = "no routes yet";
      return () => void (world.gateReport.notReady = null);
    },
    found: { "gate.status": "fail" },
    says: /hgate-1: no routes yet/,
  },
  {
    name: "a registration that takes another's name",
    plant(world) {
      world.gateReport.problems.push({ object: "Service other/web", problem: "its host is claimed already" });
      return () => void world.gateReport.problems.pop();
    },
    found: { "gate.problems": "warn" },
  },
  {
    name: "the gate has no Google account",
    plant: field("serviceaccounts", SYSTEM, "hgate", ["metadata", "annotations"], {}),
    found: { "gate.identity": "fail" },
    says: /iam\.gke\.io\/gcp-service-account=EMAIL/,
  },
  {
    name: "the gate may not act as its Google account",
    plant(world) {
      const policy = world.admin.iam.state.policies.get(GATE_ACCOUNT)!;
      const { bindings } = policy;
      policy.bindings = [];
      return () => void (policy.bindings = bindings);
    },
    found: { "gate.identity": "fail" },
    says:
      /roles\/iam\.workloadIdentityUser --member 'serviceAccount:demo-project\.svc\.id\.goog\[istio-system\/hgate\]'/,
  },
];
