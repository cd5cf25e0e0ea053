import { Problem } from "../../../base/errors.ts";
import { request } from "../../../base/http.ts";
import { parseAs } from "../../../base/json.ts";
import { googleCall, pathOf, Policy, POLICY_VERSION } from "../../../gcp/mod.ts";
import { get, type KubeObject, listAll, loadBalancerAddress, RESOURCES } from "../../../kube/mod.ts";
import { GATE_NAMESPACE } from "../../../registration/mod.ts";
import { GATE_PODS, GATE_STATUS_PORT, GateReport, gateReport } from "../../gate_reports.ts";
import { source } from "../source.ts";
import { listAt, textAt } from "../spec.ts";
import { lookAtPort } from "../tcp_look.ts";
import { restOf, TRIES } from "./google.ts";
import { DEPLOYMENT } from "./mesh.ts";

const GATE = "hgate";
const INTERNAL = "internal-hgate";
const TUNNEL_PORT = 15_442;
const ISTIOD_PORT = 15_012;
/** More replicas say nothing more. */
const MOST_PODS = 5;
/** Variables by which the gate has credentials without Workload Identity. */
const CREDENTIALS = ["GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"];
const ACCOUNT = "iam.gke.io/gcp-service-account";

export const gateDeployment = source<"gateDeployment", "cluster" | "version">({
  label: "the gate's Deployment",
  needs: ["cluster", "version"],
  look: ({ cluster: { kube } }, _outside, signal) => get(kube, DEPLOYMENT, GATE_NAMESPACE, GATE, signal),
});

export const gateServices = source<"gateServices", "cluster" | "version">({
  label: "the gate's Services",
  needs: ["cluster", "version"],
  async look({ cluster: { kube } }, _outside, signal) {
    const [internal, external] = await Promise.all(
      [INTERNAL, GATE].map((name) => get(kube, RESOURCES.Service, GATE_NAMESPACE, name, signal)),
    );
    return { internal, external };
  },
});

export const tunnelPort = portOf("internal", TUNNEL_PORT);
export const gateIstiodPort = portOf("internal", ISTIOD_PORT);
export const externalPort = portOf("external", ISTIOD_PORT);
export const statusPort = portOf("external", GATE_STATUS_PORT);

function portOf(side: "internal" | "external", port: number) {
  return source<"tunnelPort" | "gateIstiodPort" | "externalPort" | "statusPort", "gateServices">({
    label: `the gate's ${side} address`,
    needs: ["gateServices"],
    async look({ gateServices }, { portMs }, signal) {
      const host = loadBalancerAddress(gateServices[side]);
      if (host) return await lookAtPort(host, port, portMs, signal);
      throw new Problem({ tried: `find the gate's ${side} address`, got: "none" });
    },
  });
}

/** Of every replica: each has its own. In the gate's pod it is the one that is asked. */
export const gateReports = source<"gateReports", "cluster" | "version">({
  label: "the gate's status",
  needs: ["cluster", "version"],
  async look({ cluster: { kube } }, { place, local, fetch }, signal) {
    if (place === "hgate") {
      const url = `http://127.0.0.1:${local.gateStatus}/debug/routes`;
      const what = "ask this gate for its routes";
      return [{
        pod: "this pod",
        ...parseAs(GateReport, (await request(url, { what, fetch, signal, tries: 1 })).text, what),
      }];
    }
    const selection = { resource: RESOURCES.Pod, namespace: GATE_NAMESPACE, labelSelector: GATE_PODS };
    const { items } = await listAll(kube, selection, { signal });
    const isGoing = (pod: KubeObject) => textAt(pod, "metadata", "deletionTimestamp") !== undefined;
    const running = items.filter((pod) => textAt(pod, "status", "phase") === "Running" && !isGoing(pod))
      .slice(0, MOST_PODS);
    return await Promise.all(running.map(async ({ metadata: { name } }) => ({
      pod: name,
      ...await gateReport(kube, GATE_NAMESPACE, name, signal),
    })));
  },
});

export const gateAccount = source<"gateAccount", "cluster" | "version", "gateDeployment" | "meshEnv" | "project">({
  label: "the gate's account",
  needs: ["cluster", "version"],
  wants: ["gateDeployment", "meshEnv", "project"],
  async look({ cluster: { kube }, gateDeployment, meshEnv, project }, outside, signal) {
    const account = await get(kube, RESOURCES.ServiceAccount, GATE_NAMESPACE, GATE, signal);
    const variables = listAt(gateDeployment, "spec", "template", "spec", "containers")
      .flatMap((container) => listAt(container, "env")).map((variable) => textAt(variable, "name"));
    const pool = `${meshEnv?.system?.["PROJECT_ID"] ?? project ?? "PROJECT"}.svc.id.goog`;
    return {
      email: outside.gateAccount ?? account?.metadata.annotations?.[ACCOUNT],
      variable: CREDENTIALS.find((name) => variables.includes(name)),
      member: `${pool}[${GATE_NAMESPACE}/${GATE}]`,
    };
  },
});

export const gateAccountPolicy = source<"gateAccountPolicy", "token" | "project" | "gateAccount">({
  label: "the gate's Google account",
  needs: ["token", "project", "gateAccount"],
  async look({ project, gateAccount: { email } }, outside, signal) {
    if (!email) return { bindings: [] };
    return await googleCall(Policy, {
      what: `read the IAM policy of service account ${email}`,
      api: "iam.googleapis.com",
      project,
      path: `v1/${
        pathOf("projects", "-", "serviceAccounts", email)
      }:getIamPolicy?options.requestedPolicyVersion=${POLICY_VERSION}`,
      method: "POST",
      permission: "iam.serviceAccounts.getIamPolicy",
      tries: TRIES,
      signal,
    }, await restOf(outside, "iam"));
  },
});
