import type { Policy, RunService } from "../../../gcp/mod.ts";
import { type About, check } from "../check.ts";
import { fail, pass, skip, type Verdict, warn } from "../finding.ts";

/** Roles that hold run.routes.invoke. */
const INVOKERS = ["roles/run.invoker", "roles/run.servicesInvoker", "roles/run.admin"];
const EVERYBODY = ["allUsers", "allAuthenticatedUsers"];
const TUNNEL_PORT = 15_009;
const APP_PORT = 8_080;
/** Alone it says that there is none; what it says of itself the others decide by. */
const EXISTS = "service.exists";

const isFor = ({ service }: About) => service !== undefined;

/** One of the service as Cloud Run has it. */
function ofRun(id: string, title: string, decide: (run: RunService, update: (flags: string) => string) => Verdict) {
  return check(id, title, {
    needs: ["run", "project", "region"],
    after: [EXISTS],
    isFor,
    decide: ({ run, project, region }, { service }) => decide(run!, updateCommand(service!, project, region)),
  });
}

export const SERVICE = [
  check(EXISTS, "the Cloud Run service exists", {
    needs: ["run", "project", "region"],
    owns: ["run"],
    after: ["project.api-run"],
    mend: "gcloud run services list",
    isFor,
    decide({ run, project, region }, { service }) {
      if (run) return pass(run.urls[0] ?? run.name);
      return fail(`no ${service} in ${region} of project ${project}`, `gcloud run services list --project ${project}`);
    },
  }),
  ofRun("service.ready", "it is ready", ({ problem, name }) => {
    const [, project, , region, , service] = name.split("/");
    return problem
      ? fail(problem, `gcloud run services describe ${service} --project ${project} --region ${region}`)
      : pass("ready");
  }),
  ofRun(
    "service.http2",
    "it is spoken to in HTTP/2",
    ({ port }, update) =>
      port.isHttp2
        ? pass("h2c")
        : fail("its port is not h2c: tunnels need HTTP/2 up to the container", update("--use-http2")),
  ),
  ofRun("service.port", `its port is ${TUNNEL_PORT}`, ({ port: { number } }, update) => {
    if (number === TUNNEL_PORT) return pass(String(number));
    const fix = update(`--port ${TUNNEL_PORT}`);
    return number === APP_PORT ? fail(`${number}, which is the app's own`, fix) : warn(String(number), fix);
  }),
  ofRun("service.generation", "it runs on the second generation", ({ generation }, update) => {
    const fix = update("--execution-environment gen2");
    if (generation === 2) return pass("gen2");
    return warn(
      generation === 1
        ? "gen1, which has no iptables: traffic is not captured"
        : "left to Cloud Run, which may take gen1",
      fix,
    );
  }),
  ofRun(
    "service.account",
    "it runs as an account of its own",
    ({ serviceAccount }, update) =>
      serviceAccount && !/^\d+-compute@developer\./.test(serviceAccount) ? pass(serviceAccount) : warn(
        `${serviceAccount ?? "the project's default account"}, which every service without its own has`,
        update("--service-account EMAIL"),
      ),
  ),
  ofRun(
    "service.egress",
    "it reaches the VPC",
    ({ hasVpcEgress }, update) =>
      hasVpcEgress ? pass("VPC egress") : fail(
        "no VPC egress: the gate's internal address cannot be reached",
        update("--network NETWORK --subnet SUBNET"),
      ),
  ),
  ofRun("service.ingress", "the gate may reach it", ({ ingress }, update) => {
    if (ingress === "all") return pass("all");
    if (ingress === "internal" || ingress === "internal-and-load-balancing") {
      return warn(
        `${ingress}: only from the VPC, by Private Google Access`,
        "gcloud compute networks subnets update SUBNET --enable-private-ip-google-access",
      );
    }
    return fail(ingress, update("--ingress all"));
  }),
  check("service.invoker", "the gate may call it", {
    needs: ["run", "project", "region", "runPolicy"],
    wants: ["gateAccount", "projectPolicy"],
    owns: ["runPolicy"],
    after: [EXISTS],
    mend: "gcloud run services get-iam-policy SERVICE",
    isFor,
    decide({ run, project, region, runPolicy, gateAccount, projectPolicy }, about) {
      if (run!.isOpen) return pass("its callers are not checked");
      const fix = (member: string) =>
        `gcloud run services add-iam-policy-binding ${about.service} --project ${project} --region ${region} ` +
        `--role roles/run.invoker --member ${member}`;
      const verdict = invokerVerdict(
        [runPolicy, ...(projectPolicy ? [projectPolicy] : [])],
        about.gateAccount ?? gateAccount?.email,
        fix,
      );
      if (verdict) return verdict;
      if (!gateAccount) return skip("the gate's account cannot be looked at from here", "--gate-account EMAIL");
      return gateAccount.variable
        ? warn(`the gate's account is not known: it is given by ${gateAccount.variable}`, "--gate-account EMAIL")
        : skip("see gate.identity");
    },
  }),
];

/**
 * @param account an e-mail, or a member in IAM's own words
 * @param fix the command that lets a member call it
 * @returns `undefined` where it is not for everybody and nobody is asked about
 */
export function invokerVerdict(
  policies: readonly Policy[],
  account: string | undefined,
  fix: (member: string) => string,
): Verdict | undefined {
  const bindings = policies.flatMap(({ bindings }) => bindings).filter(({ role }) => INVOKERS.includes(role));
  const withoutCondition = bindings.filter(({ condition }) => !condition).flatMap(({ members }) => members);
  const everybody = EVERYBODY.find((name) => withoutCondition.includes(name));
  if (everybody) return pass(`it is open to ${everybody}`);
  if (!account) return undefined;
  const wanted = account.includes(":") ? account : `serviceAccount:${account}`;
  if (withoutCondition.includes(wanted)) return pass(account);
  return bindings.some(({ members }) => members.includes(wanted))
    ? warn(`${account} may under a condition alone`, fix(wanted))
    : fail(`${account} may not`, fix(wanted));
}

function updateCommand(service: string, project: string, region: string): (flags: string) => string {
  return (flags) => `gcloud run services update ${service} --project ${project} --region ${region} ${flags}`;
}
