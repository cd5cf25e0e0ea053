import { Problem } from "../base/errors.ts";
import { type Fetch, request } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import type { GoogleCredentials } from "./credentials.ts";
import { headersFor, refusalFix } from "./refusal.ts";
import * as v from "valibot";

const optionalText = v.optional(v.string());

/** The parts of a service that are used, https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services. */
const Service = v.object({
  name: v.pipe(v.string(), v.minLength(1)),
  uri: optionalText,
  urls: v.optional(v.array(v.string()), []),
  ingress: optionalText,
  customAudiences: v.optional(v.array(v.string()), []),
  invokerIamDisabled: v.optional(v.boolean(), false),
  template: v.optional(
    v.object({
      timeout: optionalText,
      maxInstanceRequestConcurrency: v.optional(v.number()),
      serviceAccount: optionalText,
      executionEnvironment: optionalText,
      vpcAccess: v.optional(
        v.object({ connector: optionalText, networkInterfaces: v.optional(v.array(v.looseObject({})), []) }),
      ),
      containers: v.optional(
        v.array(v.object({
          ports: v.optional(v.array(v.object({ name: optionalText, containerPort: v.optional(v.number()) })), []),
          env: v.optional(v.array(v.object({ name: v.string(), value: optionalText })), []),
        })),
        [],
      ),
    }),
    {},
  ),
  terminalCondition: v.optional(v.object({ state: optionalText, reason: optionalText, message: optionalText })),
});
const Services = v.object({ services: v.optional(v.array(Service), []), nextPageToken: optionalText });

/** A Cloud Run service. */
export interface RunService {
  /** `projects/P/locations/R/services/S` */
  name: string;
  /** `https://…`: the one that Cloud Run calls the service's own first; none where its default URL is switched off. */
  urls: readonly string[];
  /** Of ID tokens, beside the URLs. */
  audiences: readonly string[];
  /** A request, and with it a tunnel, is ended after this. */
  timeoutMs: number;
  /** Requests at once that an instance takes. */
  concurrency: number;
  /** Who may reach it by network. */
  ingress: "all" | "internal" | "internal-and-load-balancing" | "none" | "unknown";
  /** Nobody's ID token is checked. */
  isOpen: boolean;
  /** Port of the container that gets the requests; `isHttp2`: as HTTP/2 without TLS, which tunnels need. */
  port: { number: number; isHttp2: boolean };
  /** Where the app listens behind krun, by that container's PORT_http; missing where nothing is said. */
  appPort?: number;
  /** Of the mesh, as krun is told by that container's WORKLOAD_NAMESPACE; missing where nothing is said. */
  namespace?: string;
  /** The account it runs as; `undefined` for the project's default one. */
  serviceAccount: string | undefined;
  /** gVisor (1) or a whole Linux (2); `undefined` where Cloud Run chooses. */
  generation: 1 | 2 | undefined;
  /** By a connector or by interfaces of its own; without one it reaches no private address. */
  hasVpcEgress: boolean;
  /** Why it does not serve; `undefined` where it does, or is about to. */
  problem: string | undefined;
}

export interface RunOptions {
  credentials: GoogleCredentials;
  /** `CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN`. @default {"https://run.googleapis.com/"} */
  endpoint?: string | undefined;
  fetch?: Fetch | undefined;
}

/** The Cloud Run Admin API, read only. */
export interface CloudRunApi {
  /** @throws {Problem} there is none, it may not be read, or nothing answers */
  service(project: string, region: string, name: string, signal?: AbortSignal): Promise<RunService>;
  /** All of a region, by name. @throws {Problem} they may not be listed, or nothing answers */
  services(project: string, region: string, signal?: AbortSignal): Promise<RunService[]>;
}

/** Cloud Run's own defaults, https://cloud.google.com/run/docs/configuring/request-timeout and …/concurrency. */
const DEFAULT_TIMEOUT_MS = 300_000;
const DEFAULT_CONCURRENCY = 80;
const DEFAULT_PORT = 8_080;
/** Far beyond the services that a region of a project may have; a list that never ends must end. */
const MOST_PAGES = 100;
const INGRESS: Readonly<Record<string, RunService["ingress"]>> = {
  INGRESS_TRAFFIC_ALL: "all",
  INGRESS_TRAFFIC_INTERNAL_ONLY: "internal",
  INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER: "internal-and-load-balancing",
  INGRESS_TRAFFIC_NONE: "none",
};

/** https://cloud.google.com/run/docs/about-execution-environments */
const GENERATION: Readonly<Record<string, RunService["generation"]>> = {
  EXECUTION_ENVIRONMENT_GEN1: 1,
  EXECUTION_ENVIRONMENT_GEN2: 2,
};

export function cloudRun(options: RunOptions): CloudRunApi {
  return {
    async service(project, region, name, signal) {
      const what = `read Cloud Run service ${name} in ${region} of project ${project}`;
      const path = `${parent(project, region)}/services/${encodeURIComponent(name)}`;
      return serviceOf(parseAs(Service, ...await get(path, what, { project, region, name }, options, signal)));
    },
    async services(project, region, signal) {
      const what = `list the Cloud Run services in ${region} of project ${project}`;
      const found: RunService[] = [];
      let page = "";
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const query = page ? `?pageToken=${encodeURIComponent(page)}` : "";
        const path = `${parent(project, region)}/services${query}`;
        const answer = parseAs(Services, ...await get(path, what, { project, region }, options, signal));
        found.push(...answer.services.map(serviceOf));
        page = answer.nextPageToken ?? "";
        if (!page) return found;
      }
      throw new Problem({ tried: what, got: `more than ${MOST_PAGES} pages` });
    },
  };
}

/** What the answer means, Cloud Run's defaults filled in. */
function serviceOf(service: v.InferOutput<typeof Service>): RunService {
  const { template, terminalCondition: condition } = service;
  const { containers = [] } = template;
  const ingress = containers.length === 1 ? containers[0] : containers.find(({ ports }) => ports.length > 0);
  const [port] = ingress?.ports ?? [];
  const told = (wanted: string) => ingress?.env.find(({ name }) => name === wanted)?.value;
  const appPort = portOf(told("PORT_http"));
  const namespace = told("WORKLOAD_NAMESPACE");
  const concurrency = template.maxInstanceRequestConcurrency;
  return {
    name: service.name,
    urls: [...new Set([service.uri ?? "", ...service.urls])].filter((url) => url.startsWith("https://")),
    audiences: service.customAudiences,
    timeoutMs: durationMs(template.timeout) ?? DEFAULT_TIMEOUT_MS,
    concurrency: concurrency && concurrency > 0 ? concurrency : DEFAULT_CONCURRENCY,
    ingress: INGRESS[service.ingress ?? ""] ?? "unknown",
    isOpen: service.invokerIamDisabled,
    port: { number: port?.containerPort || DEFAULT_PORT, isHttp2: port?.name === "h2c" },
    ...(appPort ? { appPort } : {}),
    ...(namespace ? { namespace } : {}),
    serviceAccount: template.serviceAccount || undefined,
    generation: GENERATION[template.executionEnvironment ?? ""],
    hasVpcEgress: Boolean(template.vpcAccess?.connector) || (template.vpcAccess?.networkInterfaces ?? []).length > 0,
    problem: condition?.state === "CONDITION_FAILED"
      ? condition.message || condition.reason || "it failed to become ready"
      : undefined,
  };
}

/** A text of another form is nothing said. */
function portOf(text: string | undefined): number | undefined {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port <= 65_535 ? port : undefined;
}

/** `300s` or `3.5s`, https://protobuf.dev/reference/protobuf/google.protobuf/#duration. */
function durationMs(text: string | undefined): number | undefined {
  const seconds = /^(\d+(?:\.\d{1,9})?)s$/.exec(text ?? "")?.[1];
  return seconds && Number(seconds) > 0 ? Number(seconds) * 1_000 : undefined;
}

function parent(project: string, region: string): string {
  return `v2/projects/${encodeURIComponent(project)}/locations/${encodeURIComponent(region)}`;
}

async function get(
  path: string,
  what: string,
  of: { project: string; region: string; name?: string },
  options: RunOptions,
  signal: AbortSignal | undefined,
): Promise<[string, string]> {
  const url = new URL(path, options.endpoint || "https://run.googleapis.com/").href;
  const { text } = await request(url, {
    what,
    headers: await headersFor(options.credentials, of.project),
    fixUnreachable: `check this machine's way to ${new URL(url).host} (DNS, firewall, HTTPS_PROXY)`,
    fetch: options.fetch,
    signal,
    fix: (status, answer) => fixFor(status, answer, of, options.credentials),
  });
  return [text, `${what} (GET ${url.split("?")[0]})`];
}

function fixFor(
  status: number,
  answer: string,
  { project, region, name }: { project: string; region: string; name?: string },
  credentials: GoogleCredentials,
): string | undefined {
  if (status === 404) {
    return name
      ? `check the name and the region: gcloud run services list --project ${project}`
      : `check the region: gcloud run regions list --project ${project}; got ${region}`;
  }
  const permission = `run.services.${name ? "get" : "list"}`;
  return refusalFix(status, answer, { credentials, api: "run.googleapis.com", project, permission });
}
