import { annotation, type KubeObject, label } from "../kube/mod.ts";
import {
  ACCOUNT_ANNOTATION,
  AUDIENCE_ANNOTATION,
  type CloudRunName,
  fullServiceName,
  GATE_ANNOTATION,
  INVOKER_ANNOTATION,
  KEEP_URL_ANNOTATION,
  MANAGED_BY,
  MANAGED_BY_US,
  MAX_CONNECTION_ANNOTATION,
  MAX_STREAMS_ANNOTATION,
  PART_OF,
  REGISTERED,
  REGISTERED_BY_ANNOTATION,
  SERVICE_ANNOTATION,
  URL_ANNOTATION,
  WORKLOAD_ANNOTATION,
} from "./names.ts";
import type { Registration, ServicePort } from "./registration.ts";
import * as v from "valibot";

/** What is to be registered, as a person says it: by annotations of a Service, an entry of a config map, or the flags of a command. */
export interface Wish {
  name: string;
  namespace: string;
  cloudRun: CloudRunName;
  /** As in the {@link Registration}, as all that follow. */
  ports?: readonly ServicePort[] | undefined;
  audience?: string | undefined;
  service?: Registration["service"];
  /** @default the Cloud Run service's name */
  workload?: string | undefined;
  serviceAccount?: string | undefined;
  maxStreams?: number | undefined;
  maxConnectionMs?: number | undefined;
  /** Only where a command registers. It is written to the Service, all of it, so that hgate writes the same. */
  command?: CommandWords | undefined;
}

/** What a command says that a person's own Service does not. */
export interface CommandWords {
  /** `register-service` */
  by: string;
  /** In place of Cloud Run's. */
  url?: string | undefined;
  /** In place of the load balancer's. */
  gateAddress?: string | undefined;
  /** As in the annotation, see {@link INVOKER_ANNOTATION}. */
  invoker?: string | undefined;
  partOf?: string | undefined;
}

/** What Cloud Run and the cluster say of it. */
export interface WishedFacts {
  /** The one to use, unless a command said another. */
  url: string | undefined;
  timeoutMs: number;
  concurrency: number;
  /** As in the {@link Registration}. */
  appPort?: number | undefined;
  /** Unless a command said another. */
  gateAddress: string | undefined;
  /** Who asks, where the objects are to go when nobody does any more. */
  owner?: string | undefined;
  clusterDomain?: string | undefined;
}

/** The registration that is wished for; `undefined` as long as there is no URL or no gate. Both ways of registering go through this. */
export function registrationOf(wish: Wish, facts: WishedFacts): Registration | undefined {
  const { command, cloudRun, ports, audience, service, serviceAccount, maxStreams, maxConnectionMs } = wish;
  const url = command?.url ?? facts.url;
  const gateAddress = command?.gateAddress ?? facts.gateAddress;
  if (!url || !gateAddress) return undefined;
  return {
    name: wish.name,
    namespace: wish.namespace,
    url,
    gateAddress,
    ports,
    audience,
    service,
    workload: wish.workload ?? cloudRun.service,
    serviceAccount,
    requestTimeoutMs: facts.timeoutMs,
    concurrency: facts.concurrency,
    appPort: facts.appPort,
    maxStreams,
    maxConnectionMs,
    owner: facts.owner,
    clusterDomain: facts.clusterDomain,
    ...(command ? { annotations: annotationsOf(wish, command), partOf: command.partOf } : {}),
  };
}

/** What {@link wishOf} reads again. */
function annotationsOf(wish: Wish, command: CommandWords): Record<string, string> {
  const { cloudRun, workload, serviceAccount, maxStreams, maxConnectionMs } = wish;
  const all: Record<string, string | undefined> = {
    [REGISTERED_BY_ANNOTATION]: command.by,
    [SERVICE_ANNOTATION]: fullServiceName(cloudRun),
    [KEEP_URL_ANNOTATION]: command.url && "true",
    [GATE_ANNOTATION]: command.gateAddress,
    [INVOKER_ANNOTATION]: command.invoker,
    [WORKLOAD_ANNOTATION]: workload,
    [ACCOUNT_ANNOTATION]: serviceAccount,
    [MAX_STREAMS_ANNOTATION]: maxStreams?.toString(),
    [MAX_CONNECTION_ANNOTATION]: maxConnectionMs === undefined ? undefined : `${maxConnectionMs / 1_000}s`,
  };
  return Object.fromEntries(Object.entries(all).filter((pair): pair is [string, string] => Boolean(pair[1])));
}

const Port = v.object({
  name: v.optional(v.string()),
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
});
const ServiceSpec = v.object({
  ports: v.pipe(v.array(Port), v.maxLength(64)),
  selector: v.optional(v.record(v.string(), v.string())),
});

/**
 * What a Service says is to be registered by it. What a command alone may say is read where one did.
 * @returns why it cannot be read, in words
 */
export function wishOf(service: KubeObject, cloudRun: CloudRunName): Wish | string {
  const { name, namespace = "" } = service.metadata;
  const spec = v.safeParse(ServiceSpec, service["spec"]);
  if (!spec.success) return "its ports cannot be read";
  // Istio finds the gate's port by the port's name.
  if (spec.output.ports.some(({ name }) => !name)) return "its ports need names, e.g. http";
  const maxStreams = numberOf(annotation(service, MAX_STREAMS_ANNOTATION), /^[1-9]\d{0,8}$/);
  if (Number.isNaN(maxStreams)) return `${MAX_STREAMS_ANNOTATION} is no whole number above 0`;
  const seconds = annotation(service, MAX_CONNECTION_ANNOTATION);
  const maxConnection = numberOf(seconds?.replace(/s$/, ""), /^(?=.*[1-9])\d{1,6}(?:\.\d{1,3})?$/);
  if (Number.isNaN(maxConnection) || (seconds && !seconds.endsWith("s"))) {
    return `${MAX_CONNECTION_ANNOTATION} is no time such as 240s`;
  }
  const by = annotation(service, REGISTERED_BY_ANNOTATION);
  const misread = misreadOf(service, by ? FORMS : FORMS.slice(1));
  if (misread) return misread;
  const isOurs = label(service, MANAGED_BY) === MANAGED_BY_US;
  const { selector } = spec.output;
  const hasSelector = selector && Object.keys(selector).length > 0 && selector[REGISTERED] !== name;
  return {
    name,
    namespace,
    cloudRun,
    ports: namedPorts(spec.output.ports),
    // Of a Service that nobody's command registered, it is the person's own and stays where it is.
    audience: by ? annotation(service, AUDIENCE_ANNOTATION) : undefined,
    service: isOurs ? undefined : {
      selector: hasSelector ? selector : undefined,
      ...(by && label(service, REGISTERED) === name ? { isLabelled: true } : {}),
    },
    workload: annotation(service, WORKLOAD_ANNOTATION),
    serviceAccount: annotation(service, ACCOUNT_ANNOTATION),
    maxStreams,
    maxConnectionMs: maxConnection === undefined ? undefined : Math.round(maxConnection * 1_000),
    command: by ? commandWords(service, by) : undefined,
  };
}

function commandWords(service: KubeObject, by: string): CommandWords {
  return {
    by,
    url: annotation(service, KEEP_URL_ANNOTATION) === "true" ? annotation(service, URL_ANNOTATION) : undefined,
    gateAddress: annotation(service, GATE_ANNOTATION),
    invoker: annotation(service, INVOKER_ANNOTATION),
    partOf: label(service, PART_OF),
  };
}

/**
 * What stands in objects that the gate writes with more rights than who wrote the Service may have: an address that is a name or a socket
 * would lead clients elsewhere. The first is a command's alone.
 */
const FORMS: readonly [key: string, form: RegExp, what: string][] = [
  [GATE_ANNOTATION, /^[0-9a-fA-F.:]+$/, "IP address"],
  [WORKLOAD_ANNOTATION, /^[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/, "label's value"],
  [ACCOUNT_ANNOTATION, /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, "name of a service account"],
];

function misreadOf(service: KubeObject, forms: typeof FORMS): string | undefined {
  const wrong = forms.find(([key, form]) => !form.test(annotation(service, key) ?? "0"));
  return wrong && `${wrong[0]} is no ${wrong[2]}`;
}

/** `NaN` for a text of another form. */
function numberOf(text: string | undefined, form: RegExp): number | undefined {
  if (text === undefined) return undefined;
  return form.test(text) ? Number(text) : NaN;
}

/** A port without a name is HTTP, as on Cloud Run. */
export function namedPorts(ports: readonly { name?: string | undefined; port: number }[]): ServicePort[] {
  return ports.map(({ name, port }, at) => ({ name: name || (at ? `http-${port}` : "http"), port }));
}
