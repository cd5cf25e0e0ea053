import { check } from "../check.ts";
import { fail, pass, skip, type Verdict, warn } from "../finding.ts";
import { days, moment } from "../moment.ts";
import type { ReviewedRight } from "../access_review.ts";
import { describeRight, grantCommand } from "../rights.ts";
import { certificateVerdict } from "./certificate.ts";

/** Server-side apply is stable from here on. */
const LEAST_MINOR = 22;
const CERTIFICATE_WARN_MS = days(7);
const GET_CREDENTIALS = "gcloud container clusters get-credentials CLUSTER --location LOCATION";

export const CLUSTER = [
  check("cluster.reachable", "the API server answers", {
    needs: ["cluster", "version"],
    wants: ["user"],
    owns: ["cluster", "version"],
    mend: GET_CREDENTIALS,
    decide: ({ cluster: { kube }, user }) => pass(`${kube.access.origin}${user ? `, as ${user}` : ""}`),
  }),
  check("cluster.version", `Kubernetes is 1.${LEAST_MINOR} or later`, {
    needs: ["version"],
    decide: ({ version: { version } }) => versionVerdict(version),
  }),
  check("cluster.certificate", "its certificate is good, and the client's", {
    needs: ["cluster", "serverCertificate"],
    wants: ["clientCertificate"],
    owns: ["serverCertificate"],
    mend: GET_CREDENTIALS,
    decide({ cluster: { kube }, serverCertificate, clientCertificate }, { now }) {
      if (clientCertificate !== undefined && clientCertificate <= now) {
        return fail(`the client's ended ${moment(clientCertificate, now)}`, GET_CREDENTIALS);
      }
      if (typeof serverCertificate === "string") return skip(serverCertificate);
      const { hostname } = new URL(kube.access.server);
      const verdict = certificateVerdict(serverCertificate, {
        name: hostname.replace(/^\[|\]$/g, ""),
        now,
        warnMs: CERTIFICATE_WARN_MS,
        fix: {
          renew:
            "renew the API server's certificate: gcloud container clusters update CLUSTER --start-credential-rotation",
          roots: GET_CREDENTIALS,
          name: "use one of its names in the kubeconfig's server",
        },
      });
      if (verdict.state !== "pass" || clientCertificate === undefined) return verdict;
      const seen = `${verdict.seen}; the client's ends ${moment(clientCertificate, now)}`;
      return clientCertificate - now < CERTIFICATE_WARN_MS ? warn(seen, GET_CREDENTIALS) : pass(seen);
    },
  }),
];

/** What the commands need, asked of the cluster for each verb. */
export const COMMAND_RIGHTS = [
  check("rights.setup", "this account may run setup-namespace", {
    needs: ["setupRights"],
    wants: ["user"],
    owns: ["setupRights"],
    mend: "kubectl auth can-i --list",
    isFor: ({ place }) => place === "laptop",
    decide: ({ setupRights, user }) => rightsVerdict(setupRights, "cloud-run-mesh-setup", user),
  }),
  check("rights.register", "this account may run register-service", {
    needs: ["registerRights"],
    wants: ["user"],
    owns: ["registerRights"],
    mend: "kubectl auth can-i --list",
    isFor: ({ place }) => place === "laptop",
    decide: ({ registerRights, user }) => rightsVerdict(registerRights, "cloud-run-mesh-register", user),
  }),
];

/** The mesh works without them: somebody else can run the commands. */
function rightsVerdict(rights: readonly ReviewedRight[], role: string, user = "ACCOUNT"): Verdict {
  const missing = rights.filter(({ isAllowed }) => !isAllowed);
  if (missing.length === 0) return pass(`all of ${rights.length} rights`);
  const named = missing.slice(0, 4).map(describeRight).join(", ");
  const more = missing.length > 4 ? ` and ${missing.length - 4} more` : "";
  return warn(`may not ${named}${more}`, grantCommand(missing, role, user));
}

function versionVerdict(version: string): Verdict {
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) === 1 && Number(minor) < LEAST_MINOR) {
    return fail(version, "gcloud container clusters upgrade CLUSTER --master --location LOCATION");
  }
  return pass(version);
}
