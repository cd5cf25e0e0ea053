import { X509Certificate } from "node:crypto";
import { loadBalancerAddress } from "../../../kube/mod.ts";
import { GATE_NAMESPACE } from "../../../registration/mod.ts";
import { check } from "../check.ts";
import type { MeshEnvCopies } from "../facts.ts";
import { fail, pass, skip, type Verdict, warn } from "../finding.ts";
import { days, moment } from "../moment.ts";

const ROOT_WARN_MS = days(30);
const INSTALL = "kubectl apply -k manifests/hgate";
/** Keys, of which one is enough, and what they are for. */
const KEYS: readonly { keys: readonly string[]; use: string; isNeeded: boolean; isOfTenant?: boolean }[] = [
  { keys: ["IMCON_ADDR", "MCON_ADDR", "XDS_ADDR"], use: "where the control plane is", isNeeded: true },
  { keys: ["CAROOT_ISTIOD"], use: "whom to trust as the control plane", isNeeded: true },
  { keys: ["PROJECT_ID"], use: "the trust domain of workloads", isNeeded: false },
  { keys: ["CLUSTER_NAME"], use: "the cluster's name in telemetry", isNeeded: false },
  { keys: ["CLUSTER_LOCATION"], use: "the cluster's place in telemetry", isNeeded: false },
  { keys: ["PROJECT_NUMBER"], use: "a managed control plane", isNeeded: true, isOfTenant: true },
];

export const MESH_ENV = [
  check("mesh-env.copies", "config map mesh-env is there", {
    needs: ["meshEnv"],
    wants: ["namespace"],
    owns: ["meshEnv"],
    mend: "kubectl -n istio-system get configmap mesh-env",
    decide({ meshEnv: { own, system, refused }, namespace }) {
      if (!own && !system) return fail("neither in the namespace nor in istio-system", INSTALL);
      const seen = [own ? namespace! : "", system ? GATE_NAMESPACE : ""].filter(Boolean).join(", ");
      return pass(refused.length > 0 ? `${seen}; the other may not be read` : seen);
    },
  }),
  check("mesh-env.keys", "it has what a workload needs", {
    needs: ["meshEnv"],
    wants: ["namespace"],
    after: ["mesh-env.copies"],
    decide: ({ meshEnv, namespace }) => keysVerdict(meshEnv, namespace),
  }),
  check("mesh-env.roots", "its roots are certificates, and have not ended", {
    needs: ["meshEnv"],
    after: ["mesh-env.copies", "mesh-env.keys"],
    decide: ({ meshEnv }, { now }) => rootsVerdict(meshEnv, now),
  }),
  check("mesh-env.root-current", "CAROOT_ISTIOD is the mesh's root", {
    needs: ["meshEnv", "istioRoot"],
    wants: ["namespace"],
    owns: ["istioRoot"],
    after: ["mesh-env.copies", "mesh-env.keys", "mesh-env.roots"],
    mend: "kubectl -n istio-system get configmap istio-ca-root-cert",
    decide({ meshEnv, istioRoot, namespace }) {
      if (istioRoot === undefined) {
        return tenantOf(meshEnv) ? skip("a managed control plane") : fail(
          "no config map istio-ca-root-cert in istio-system",
          "kubectl -n istio-system rollout restart deployment/istiod",
        );
      }
      const wrong = copiesOf(meshEnv, namespace).filter(([, data]) =>
        data["CAROOT_ISTIOD"] !== undefined && !isSameBundle(data["CAROOT_ISTIOD"], istioRoot)
      ).map(([place]) => place);
      if (wrong.length === 0) return pass("as in istio-ca-root-cert");
      return fail(`another in ${wrong.join(", ")} than in istio-ca-root-cert`, rootCommand(wrong[0]!));
    },
  }),
  check("mesh-env.gate", "its addresses are the gate's", {
    needs: ["meshEnv", "gateServices"],
    wants: ["namespace"],
    after: ["mesh-env.copies", "mesh-env.keys", "gate.internal-address"],
    decide({ meshEnv, gateServices, namespace }) {
      const pairs = [["IMCON_ADDR", gateServices.internal], ["MCON_ADDR", gateServices.external]] as const;
      for (const [place, data] of copiesOf(meshEnv, namespace)) {
        for (const [key, service] of pairs) {
          const address = loadBalancerAddress(service);
          if (!address || data[key] === undefined || data[key] === address) continue;
          const patch = JSON.stringify({ data: { [key]: address } });
          return warn(
            `${key} of ${place} is ${data[key]}, ${service!.metadata.name} has ${address}`,
            `kubectl -n ${place} patch configmap mesh-env --type merge -p '${patch}'`,
          );
        }
      }
      return pass("as its Services have them");
    },
  }),
];

function copiesOf({ own, system }: MeshEnvCopies, namespace = "") {
  return [[namespace, own], [GATE_NAMESPACE, system]].flatMap(([place, data]) =>
    data ? [[place as string, data as Readonly<Record<string, string>>] as const] : []
  );
}

/** Whose control plane Google runs. */
export function tenantOf({ own, system }: MeshEnvCopies): string | undefined {
  const tenant = own?.["MESH_TENANT"] ?? system?.["MESH_TENANT"];
  return tenant && tenant !== "-" ? tenant : undefined;
}

export function keysVerdict(copies: MeshEnvCopies, namespace = GATE_NAMESPACE): Verdict {
  const all = { ...copies.system, ...copies.own };
  const isManaged = tenantOf(copies) !== undefined;
  const missing = KEYS.filter(({ keys, isOfTenant = false, isNeeded }) =>
    !keys.some((key) => all[key]) && (isOfTenant ? isManaged : !(isManaged && isNeeded))
  );
  if (missing.length === 0) return pass(`${Object.keys(all).length} keys`);
  const seen = missing.map(({ keys, use }) => `${keys.join(" or ")} (${use})`).join(", ");
  const place = copies.system ? GATE_NAMESPACE : namespace;
  const fix = `kubectl -n ${place} edit configmap mesh-env; the gate fills in what it knows: ` +
    "kubectl -n istio-system rollout restart deployment/hgate";
  return missing.some(({ isNeeded }) => isNeeded) ? fail(`no ${seen}`, fix) : warn(`no ${seen}`, fix);
}

export function rootsVerdict({ own, system }: MeshEnvCopies, now: number): Verdict {
  const all = { ...system, ...own };
  const roots = Object.entries(all).filter(([key]) => key.startsWith("CAROOT_"));
  if (roots.length === 0) return skip("none, and none is needed");
  const ends: number[] = [];
  for (const [key, pem] of roots) {
    const blocks = certificatesIn(pem);
    if (blocks.length === 0) return fail(`${key} is no PEM certificate`, rootCommand(GATE_NAMESPACE));
    for (const block of blocks) {
      const end = endOf(block);
      if (end === undefined) return fail(`${key} has a certificate that cannot be read`, rootCommand(GATE_NAMESPACE));
      if (end <= now) return fail(`${key} ended ${moment(end, now)}`, ROTATE);
      ends.push(end);
    }
  }
  const first = Math.min(...ends);
  const seen = `${ends.length === 1 ? "it ends" : `the first of ${ends.length} ends`} ${moment(first, now)}`;
  return first - now < ROOT_WARN_MS ? warn(seen, ROTATE) : pass(seen);
}

const ROTATE =
  "rotate the mesh's root: https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/, then rollout restart istiod";

/** Writes the mesh's own root into a copy of mesh-env. */
export function rootCommand(place: string): string {
  return `kubectl -n ${place} patch configmap mesh-env --type merge -p "$(kubectl -n istio-system get configmap ` +
    `istio-ca-root-cert -o json | jq '{data: {CAROOT_ISTIOD: .data["root-cert.pem"]}}')"`;
}

function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

/** The same certificates, whatever the line ends. */
function isSameBundle(a: string, b: string): boolean {
  const bare = (pem: string) => certificatesIn(pem).map((block) => block.replace(/\s/g, "")).sort().join();
  return bare(a) === bare(b) && bare(a) !== "";
}

function endOf(pem: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(pem).validTo);
  } catch {
    return undefined;
  }
}
