import { GATE_NAMESPACE } from "../../../registration/mod.ts";
import { type About, check } from "../check.ts";
import { fail, pass, skip, warn } from "../finding.ts";
import { days } from "../moment.ts";
import { listAt, numberAt, textAt } from "../spec.ts";
import { certificateVerdict } from "./certificate.ts";
import { rootCommand, tenantOf } from "./mesh_env.ts";
import { portVerdict } from "./port.ts";

const ISTIOD_WARN_MS = days(7);
const KINDS: Readonly<Record<string, readonly string[]>> = {
  "networking.istio.io/v1": ["workloadentries", "workloadgroups", "destinationrules", "sidecars", "serviceentries"],
  "security.istio.io/v1": ["peerauthentications"],
};
/** Sidecars can be told to speak HTTP/2 to the app from here on. */
const LEAST_ISTIO_MINOR = 23;

export const ISTIOD = [
  check("istiod.ready", "istiod is ready", {
    needs: ["istiod"],
    wants: ["meshEnv"],
    owns: ["istiod"],
    mend: "kubectl -n istio-system get deployments -l app=istiod",
    decide({ istiod, meshEnv }) {
      if (istiod.length === 0) {
        return meshEnv && tenantOf(meshEnv)
          ? pass("a managed control plane")
          : fail("no Deployment", "istioctl install");
      }
      const counts = istiod.map((deployment) => ({
        name: deployment.metadata.name,
        ready: numberAt(deployment, "status", "readyReplicas") ?? 0,
        wanted: numberAt(deployment, "spec", "replicas") ?? 1,
      }));
      const seen = counts.map(({ name, ready, wanted }) => `${name}: ${ready} of ${wanted} ready`).join(", ");
      const fix = "kubectl -n istio-system describe pods -l app=istiod";
      if (counts.every(({ ready }) => ready === 0)) return fail(seen, fix);
      return counts.some(({ ready, wanted }) => ready < wanted) ? warn(seen, fix) : pass(seen);
    },
  }),
  check("istiod.version", `Istio is 1.${LEAST_ISTIO_MINOR} or later`, {
    needs: ["istiod"],
    decide({ istiod }) {
      const versions = [...new Set(istiod.map(versionOf))].filter((version) => version !== undefined);
      const old = versions.filter((version) => Number(version.split(".")[1]) < LEAST_ISTIO_MINOR);
      if (old.length > 0) {
        return warn(`${old.join(", ")}: gRPC and HTTP/2 do not reach the app as such`, "istioctl upgrade");
      }
      return versions.length > 0 ? pass(versions.join(", ")) : skip("its image does not say it");
    },
  }),
  check("istiod.kinds", "Istio's kinds are served as v1", {
    needs: ["istioResources"],
    owns: ["istioResources"],
    mend: "kubectl api-resources --api-group networking.istio.io",
    decide({ istioResources }) {
      const missing = Object.entries(KINDS).flatMap(([group, kinds]) =>
        kinds.filter((kind) => !istioResources[group]?.includes(kind)).map((kind) => `${group} ${kind}`)
      );
      return missing.length > 0
        ? fail(`not ${missing.join(", ")}`, "istioctl upgrade")
        : pass(Object.keys(KINDS).join(", "));
    },
  }),
  check("istiod.tls", "it answers with a certificate of that root", {
    needs: ["meshEnv", "istiodPort", "istiodTls"],
    owns: ["istiodPort", "istiodTls"],
    after: [
      "mesh-env.copies",
      "mesh-env.keys",
      "mesh-env.roots",
      "mesh-env.root-current",
      "istiod.ready",
      "gate.deployment",
      "gate.internal-address",
      "gate.port-15012",
    ],
    mend: "check IMCON_ADDR in mesh-env",
    decide({ istiodPort, istiodTls }, { now, place }: About) {
      if (!istiodTls) return portVerdict(istiodPort, place, "check IMCON_ADDR and MCON_ADDR in mesh-env");
      const verdict = certificateVerdict(istiodTls, {
        name: istiodTls.name,
        now,
        warnMs: ISTIOD_WARN_MS,
        fix: {
          renew: "kubectl -n istio-system rollout restart deployment/istiod",
          roots: rootCommand(GATE_NAMESPACE),
          name: "check that IMCON_ADDR leads to the gate, and the gate to istiod",
        },
      });
      return { ...verdict, seen: `${istiodTls.address}: ${verdict.seen}` };
    },
  }),
];

/** `1.27.1` of the image's tag, or of what Istio's operator and charts write beside it. */
function versionOf(deployment: unknown): string | undefined {
  const image = textAt(listAt(deployment, "spec", "template", "spec", "containers")[0], "image") ?? "";
  const tag = /:v?(\d+\.\d+(?:\.\d+)?)/.exec(image)?.[1];
  return tag ?? textAt(deployment, "metadata", "labels", "app.kubernetes.io/version") ??
    textAt(deployment, "metadata", "labels", "operator.istio.io/version");
}
