import { loadBalancerAddress } from "../../../kube/mod.ts";
import { GATE_NAMESPACE } from "../../../registration/mod.ts";
import { check } from "../check.ts";
import { fail, pass, skip, type Verdict, warn } from "../finding.ts";
import { listAt, numberAt } from "../spec.ts";
import { portVerdict } from "./port.ts";

const INSTALL = "kubectl apply -k manifests/hgate";
const KUBECTL = `kubectl -n ${GATE_NAMESPACE}`;
const WORKLOAD_IDENTITY = "roles/iam.workloadIdentityUser";
const NETWORK_FIX = "check the VPC's firewall rules and the gate's NetworkPolicy";
/** What the gate takes on its internal address. */
const INTERNAL_PORTS = [15_442, 15_012];
const STATUS_PORT = 8_080;
const REACHED_BY = ["gate.deployment", "gate.internal-address"];

export const GATE = [
  check("gate.deployment", "its replicas are ready", {
    needs: ["gateDeployment"],
    owns: ["gateDeployment"],
    mend: `${KUBECTL} get deployment hgate`,
    decide({ gateDeployment }) {
      if (!gateDeployment) return fail("no Deployment hgate in istio-system", INSTALL);
      const wanted = numberAt(gateDeployment, "spec", "replicas") ?? 1;
      const ready = numberAt(gateDeployment, "status", "readyReplicas") ?? 0;
      const seen = `${ready} of ${wanted} ready`;
      if (wanted === 0) return fail("scaled to 0", `${KUBECTL} scale deployment hgate --replicas 2`);
      if (ready === 0) return fail(seen, `${KUBECTL} describe pods -l app=hgate`);
      if (ready < wanted) return warn(seen, `${KUBECTL} describe pods -l app=hgate`);
      return wanted === 1
        ? warn(`${seen}: one alone is away while it restarts`, `${KUBECTL} scale deployment hgate --replicas 2`)
        : pass(seen);
    },
  }),
  check("gate.internal-address", "Service internal-hgate has an address and its ports", {
    needs: ["gateServices"],
    owns: ["gateServices"],
    mend: `${KUBECTL} get service internal-hgate`,
    decide: ({ gateServices: { internal } }) => {
      if (!internal) return fail("no Service internal-hgate", INSTALL);
      const missing = INTERNAL_PORTS.filter((port) => !portsOf(internal).includes(port));
      if (missing.length > 0) return fail(`it has no port ${missing.join(", ")}`, INSTALL);
      const address = loadBalancerAddress(internal);
      return address ? pass(address) : fail("no address yet", `${KUBECTL} describe service internal-hgate`);
    },
  }),
  check("gate.external-address", "Service hgate has an address", {
    needs: ["gateServices"],
    decide({ gateServices: { external } }) {
      if (!external) return warn("no Service hgate: workloads outside the VPC do not reach istiod", INSTALL);
      const address = loadBalancerAddress(external);
      return address ? pass(address) : warn("no address yet", `${KUBECTL} describe service hgate`);
    },
  }),
  check("gate.status-private", "its status port is not public", {
    needs: ["gateServices"],
    wants: ["statusPort"],
    decide({ gateServices: { external }, statusPort }) {
      if (external && portsOf(external).includes(STATUS_PORT)) {
        return fail(`Service hgate has port ${STATUS_PORT}`, INSTALL);
      }
      return statusPort?.outcome === "open"
        ? fail(`${statusPort.address} answers`, INSTALL)
        : pass("8080 is the pods' alone");
    },
  }),
  check("gate.port-15442", "its tunnel port answers from here", {
    needs: ["tunnelPort"],
    owns: ["tunnelPort"],
    after: REACHED_BY,
    mend: NETWORK_FIX,
    decide: ({ tunnelPort }, { place }) => portVerdict(tunnelPort, place, NETWORK_FIX),
  }),
  check("gate.port-15012", "its istiod port answers from here", {
    needs: ["gateIstiodPort"],
    owns: ["gateIstiodPort"],
    after: REACHED_BY,
    mend: NETWORK_FIX,
    decide: ({ gateIstiodPort }, { place }) => portVerdict(gateIstiodPort, place, NETWORK_FIX),
  }),
  check("gate.external-port", "so it does at the external address", {
    needs: ["gateServices"],
    wants: ["externalPort"],
    after: ["gate.deployment"],
    decide({ gateServices: { external }, externalPort }) {
      if (!loadBalancerAddress(external)) return skip("see gate.external-address");
      if (!externalPort) return warn("no answer", NETWORK_FIX);
      return externalPort.outcome === "open"
        ? pass(externalPort.address)
        : warn(`${externalPort.address}: ${externalPort.why}`, NETWORK_FIX);
    },
  }),
  check("gate.status", "every replica takes streams", {
    needs: ["gateReports"],
    owns: ["gateReports"],
    after: ["gate.deployment"],
    mend: `${KUBECTL} logs deployment/hgate -c hgate`,
    decide({ gateReports }) {
      if (gateReports.length === 0) return fail("no pod of it runs", `${KUBECTL} get pods -l app=hgate`);
      const not = gateReports.filter(({ notReady }) => notReady);
      if (not.length > 0) {
        return fail(
          not.map(({ pod, notReady }) => `${pod}: ${notReady}`).join(", "),
          `${KUBECTL} logs ${not[0]!.pod} -c hgate`,
        );
      }
      return pass(`${gateReports.length} ready, ${gateReports[0]!.routes.length} routes`);
    },
  }),
  check("gate.problems", "no registration is in the way of itself", {
    needs: ["gateReports"],
    wants: ["registration"],
    after: ["gate.deployment", "gate.status"],
    decide({ gateReports, registration }) {
      // What concerns the service that was asked for is told by registration.route.
      const own = registration?.service?.metadata;
      const isOwn = (object: string) => own !== undefined && object.split(" ")[1] === `${own.namespace}/${own.name}`;
      const problems = new Map(
        gateReports.flatMap(({ problems }) => problems.map(({ object, problem }) => [object, problem])),
      );
      const others = [...problems].filter(([object]) => !isOwn(object!));
      if (others.length === 0) return pass("none");
      const seen = others.slice(0, 3).map(([object, problem]) => `${object}: ${problem}`).join("; ");
      return warn(
        others.length > 3 ? `${seen}; and ${others.length - 3} more` : seen,
        `${KUBECTL} exec deployment/hgate -c hgate -- hgate routes`,
      );
    },
  }),
  check("gate.identity", "it has a Google account for its ID tokens", {
    needs: ["gateAccount", "gateAccountPolicy"],
    owns: ["gateAccount", "gateAccountPolicy"],
    after: ["project.api-iam"],
    mend: "gcloud iam service-accounts list",
    decide({ gateAccount: { email, variable, member }, gateAccountPolicy }): Verdict {
      if (variable) return pass(`by ${variable} of its Deployment`);
      if (!email) {
        return fail(
          "its service account is bound to no Google account",
          `${KUBECTL} annotate serviceaccount hgate iam.gke.io/gcp-service-account=EMAIL, and: ${
            bindCommand("EMAIL", member)
          }`,
        );
      }
      // Whatever the pool: a fleet has one of its own.
      const ending = member.slice(member.indexOf("["));
      const isBound = gateAccountPolicy.bindings.some(({ role, members }) =>
        role === WORKLOAD_IDENTITY && members.some((one) => one.startsWith("serviceAccount:") && one.endsWith(ending))
      );
      return isBound ? pass(email) : fail(`${email} does not let ${member} act for it`, bindCommand(email, member));
    },
  }),
];

/** Names that a container has to know. */
export const NAMES = check("names.resolve", "names resolve", {
  needs: ["names"],
  owns: ["names"],
  mend: "check /etc/resolv.conf",
  isFor: ({ place }) => place !== "laptop",
  decide({ names }) {
    const lost = names.filter(({ addresses }) => addresses.length === 0);
    if (lost.length === 0) return pass(names.map(({ name }) => name).join(", ") || "none is needed");
    const seen = lost.map(({ name, use, error }) => `${name} (${use}): ${error ?? "no address"}`).join(", ");
    return fail(seen, "check /etc/resolv.conf, the VPC's DNS and that its egress reaches the resolver");
  },
});

function portsOf(service: unknown): number[] {
  return listAt(service, "spec", "ports").flatMap((port) => numberAt(port, "port") ?? []);
}

function bindCommand(email: string, member: string): string {
  return `gcloud iam service-accounts add-iam-policy-binding ${email} --role ${WORKLOAD_IDENTITY} --member 'serviceAccount:${member}'`;
}
