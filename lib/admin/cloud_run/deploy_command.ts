import type { RunPlace } from "../../gcp/mod.ts";
import { deployTemplate, type DeployWish, STARTUP_PROBE, variablesOf } from "./deploy_template.ts";
import { TUNNEL_PORT } from "./krun_container.ts";
import { vpcAccessOf, type VpcSettings } from "./place.ts";

/** What `deploy` would do, as other tools take it. */
export interface DeployCommands {
  /** `gcloud run deploy …`, word by word. */
  gcloud: string[];
  /** The same of the Cloud Run Admin API v2, for a service that is not there yet. */
  rest: { method: "POST"; url: string; body: unknown };
}

export function deployCommands(place: RunPlace, wish: DeployWish, vpc: VpcSettings): DeployCommands {
  const { project, region, service } = place;
  const template = deployTemplate(undefined, { ...wish, vpcAccess: vpcAccessOf(vpc, place) }, `deploy ${service}`);
  return {
    gcloud: gcloudWords(place, wish, vpc),
    rest: {
      method: "POST",
      url: `https://run.googleapis.com/v2/projects/${project}/locations/${region}/services?serviceId=${service}`,
      body: { template, ...(wish.isOpen === undefined ? {} : { invokerIamDisabled: wish.isOpen }) },
    },
  };
}

/** https://cloud.google.com/sdk/gcloud/reference/run/deploy */
function gcloudWords({ project, region, service }: RunPlace, wish: DeployWish, vpc: VpcSettings): string[] {
  const probe = { ...STARTUP_PROBE, "tcpSocket.port": TUNNEL_PORT };
  const flags: [name: string, value?: string | number][] = [
    ["project", project],
    ["region", region],
    ["image", wish.image],
    ["use-http2"],
    ["port", TUNNEL_PORT],
    ["execution-environment", wish.isGen1 ? "gen1" : "gen2"],
    ["service-account", wish.serviceAccount],
    ["cpu-boost"],
    ["startup-probe", Object.entries(probe).map((pair) => pair.join("=")).join(",")],
  ];
  const add = (name: string, value: string | number | undefined) => {
    if (value !== undefined) flags.push([name, value]);
  };
  add("vpc-connector", vpc.connector);
  add("network", vpc.network);
  add("subnet", vpc.subnet);
  if (Object.values(vpc).some((word) => word !== undefined)) add("vpc-egress", "private-ranges-only");
  const variables = Object.entries(variablesOf(wish)).map((pair) => pair.join("="));
  if (variables.length > 0) add("update-env-vars", listOf(variables));
  add("concurrency", wish.concurrency);
  add("timeout", wish.timeoutMs === undefined ? undefined : `${wish.timeoutMs / 1_000}s`);
  add("cpu", wish.cpu);
  add("memory", wish.memory);
  add("min-instances", wish.minInstances);
  add("max-instances", wish.maxInstances);
  if (wish.isOpen !== undefined) flags.push([wish.isOpen ? "no-invoker-iam-check" : "invoker-iam-check"]);
  return ["gcloud", "run", "deploy", service, ...flags.flatMap(([name, value]) => wordOf(name, value))];
}

function wordOf(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [`--${name}`] : [`--${name}=${value}`];
}

/** Lists are separated by commas, or by what stands between circumflexes: https://cloud.google.com/sdk/gcloud/reference/topic/escaping. */
function listOf(items: readonly string[]): string {
  if (!items.some((item) => item.includes(","))) return items.join(",");
  const mark = ["::", "@@", "##", "~~"].find((mark) => !items.some((item) => item.includes(mark))) ?? ";;;";
  return `^${mark}^${items.join(mark)}`;
}

/** For a shell: words with anything but plain characters are quoted, each flag has its line. */
export function shellText(words: readonly string[]): string {
  return words.map((word, at) => {
    const quoted = /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
    return at === 0 ? quoted : `${word.startsWith("--") ? " \\\n  " : " "}${quoted}`;
  }).join("");
}
