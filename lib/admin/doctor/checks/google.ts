import { check } from "../check.ts";
import { fail, pass, skip, type Verdict, warn } from "../finding.ts";
import { APIS } from "../sources/google.ts";

const CLOCK_WARN_MS = 30_000;
/** Tokens of Google and of clusters are refused beyond this: https://developers.google.com/identity/protocols/oauth2/service-account#jwt-auth. */
const CLOCK_FAIL_MS = 300_000;
/** Labels of a project that krun reads. */
const LABELS = ["mesh-namespace", "mesh-cluster-name", "mesh-cluster-location"];

export const GOOGLE = [
  check("account.credentials", "Google credentials are there", {
    needs: ["credentials"],
    owns: ["credentials"],
    mend: "gcloud auth application-default login",
    decide: ({ credentials: { origin, account } }) => pass(account ? `${origin}, ${account}` : origin),
  }),
  check("account.token", "they give an access token", {
    needs: ["token"],
    owns: ["token"],
    mend: "gcloud auth application-default login",
    decide: ({ token: { account } }) => pass(`an access token of ${account ?? "a person"}`),
  }),
  check("project.known", "the project is known", {
    needs: ["project"],
    owns: ["project"],
    mend: "gcloud config set project PROJECT",
    decide: ({ project }) => pass(project),
  }),
  check("project.region", "Cloud Run's region is known", {
    needs: ["region"],
    owns: ["region"],
    mend: "gcloud config set run/region REGION",
    isFor: ({ service }) => service !== undefined,
    decide: ({ region }) => pass(region),
  }),
  check("project.service-usage", "it can be asked which APIs are enabled", {
    needs: ["project", "apis"],
    owns: ["apis"],
    mend: "gcloud services enable serviceusage.googleapis.com",
    decide: ({ apis }) => pass(`${apis.size} of ${APIS.length} are enabled`),
  }),
  ...APIS.map((api) =>
    check(`project.api-${api.split(".")[0]}`, `${api} is enabled`, {
      needs: ["project", "apis"],
      decide: ({ project, apis }) =>
        apis.has(api)
          ? pass("enabled")
          : fail(`disabled in project ${project}`, `gcloud services enable ${api} --project ${project}`),
    })
  ),
  check("project.labels", "its labels say what krun reads", {
    needs: ["project", "labels"],
    wants: ["meshEnv"],
    owns: ["labels"],
    mend: "gcloud projects describe PROJECT --format 'value(labels)'",
    after: ["project.api-cloudresourcemanager"],
    decide({ project, labels, meshEnv }) {
      const own = Object.entries(labels).filter(([key]) => key.startsWith("mesh-"));
      const unknown = own.map(([key]) => key).filter((key) => !LABELS.includes(key));
      if (unknown.length > 0) {
        return warn(
          `${unknown.join(", ")}: krun reads ${LABELS.join(", ")}`,
          `gcloud projects update ${project} --remove-labels ${unknown.join(",")}`,
        );
      }
      const cluster = meshEnv?.system?.["CLUSTER_NAME"];
      const said = labels["mesh-cluster-name"];
      if (said && cluster && said !== cluster) {
        return warn(
          `mesh-cluster-name is ${said}, the cluster that was looked at is ${cluster}`,
          `gcloud projects update ${project} --update-labels mesh-cluster-name=${cluster}`,
        );
      }
      return pass(own.map(([key, value]) => `${key}=${value}`).join(", ") || "none; krun finds the cluster without");
    },
  }),
  check("clock.skew", "this machine's clock is right", {
    needs: ["clocks"],
    owns: ["clocks"],
    decide: ({ clocks: { google, cluster } }) => skewVerdict(google, cluster),
  }),
];

/** @param google, cluster by how much they are ahead of this machine, in milliseconds */
export function skewVerdict(google: number | undefined, cluster: number | undefined): Verdict {
  const seen = [["Google", google], ["the API server", cluster]].flatMap(([name, aheadMs]) =>
    typeof aheadMs === "number" ? [`${name} is ${ahead(aheadMs)}`] : []
  ).join(", ");
  if (!seen) return skip("nothing that tells the time has answered");
  const worst = Math.max(Math.abs(google ?? 0), Math.abs(cluster ?? 0));
  if (worst <= CLOCK_WARN_MS) return pass(seen);
  // Google's clock is right: where this one agrees with it, the cluster's is wrong.
  const isOurs = google === undefined || Math.abs(google) > CLOCK_WARN_MS;
  const fix = isOurs ? "sudo timedatectl set-ntp true" : "set the clock of the cluster's control plane";
  return (worst > CLOCK_FAIL_MS ? fail : warn)(seen, fix);
}

function ahead(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  return seconds === 0 ? "in step" : `${seconds} s ${ms > 0 ? "ahead" : "behind"}`;
}
