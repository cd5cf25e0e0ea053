/** The words that registrations are written in: for people's objects and for those that this program makes. */

/** Label of what is registered: its presence is what counts; on objects that this program makes, the service's name. */
export const REGISTERED = "mesh-cloudrun";
/** Istio's own, https://istio.io/latest/docs/reference/config/labels/. */
export const CANONICAL_NAME = "service.istio.io/canonical-name";
/** Kubernetes' recommended label; the value says that this program may change and delete the object. */
export const MANAGED_BY = "app.kubernetes.io/managed-by";
export const MANAGED_BY_US = "cloud-run-mesh";

/** Annotation: `https://host[:port]` of the Cloud Run service. */
export const URL_ANNOTATION = "cloud-run-mesh/url";
/** Annotation: audience of the ID token. @default the URL's `https://host` */
export const AUDIENCE_ANNOTATION = "cloud-run-mesh/audience";
/** Annotation: what follows `/_hbone/`, a port or a name that the service knows by `PORT_<name>`. @default "15003" */
export const TUNNEL_ANNOTATION = "cloud-run-mesh/tunnel";
/** Annotation: further plain host names in a ClientHello, separated by commas. */
export const HOSTS_ANNOTATION = "cloud-run-mesh/hosts";
/** Label of a Service that may be reached through the gate's 15443; the value is `allowed`. */
export const PASSTHROUGH_LABEL = "cloud-run-mesh/passthrough";
/** Annotation: Cloud Run service to be registered, in a form that {@link parseServiceName} reads. */
export const SERVICE_ANNOTATION = "cloud-run-mesh/service";
/** Annotation on a Service: what the workload calls itself, its label `app`. @default the Cloud Run service's name */
export const WORKLOAD_ANNOTATION = "cloud-run-mesh/workload";
/** Annotation on a Service: the Kubernetes service account that the workload's certificate names. @default "default" */
export const ACCOUNT_ANNOTATION = "cloud-run-mesh/service-account";
/** Annotation on a Service: requests at once in one tunnel. @default the service's concurrency */
export const MAX_STREAMS_ANNOTATION = "cloud-run-mesh/max-streams";
/** Annotation on a Service: how long a client uses one connection, `240s`. @default what the service's request timeout allows */
export const MAX_CONNECTION_ANNOTATION = "cloud-run-mesh/max-connection";

/**
 * Annotation on a Service that a command registered, with the command's name: hgate follows the Cloud Run service for it where the
 * namespace opted in, and never removes what belongs to it. The annotations below are read of such a Service alone.
 */
export const REGISTERED_BY_ANNOTATION = "cloud-run-mesh/registered-by";
/** Annotation: `true` where the URL was given by hand and stays, whatever Cloud Run says. */
export const KEEP_URL_ANNOTATION = "cloud-run-mesh/keep-url";
/** Annotation: address of the gate, given by hand. @default that of Service internal-hgate */
export const GATE_ANNOTATION = "cloud-run-mesh/gate";
/** Annotation: who was given roles/run.invoker by the command, `projects/P/locations/R/services/S=MEMBER`, separated by commas. */
export const INVOKER_ANNOTATION = "cloud-run-mesh/invoker";
/** Label of the objects of one region, where several are registered under one name: that name. */
export const PART_OF = "cloud-run-mesh/part-of";

/** Annotation on what this program made: whose source it is, e.g. `Service prod/web`. */
export const OWNER_ANNOTATION = "cloud-run-mesh/owner";

/** Label of a namespace whose services are registered by themselves; the value is `enabled`. */
export const AUTO_REGISTRATION_LABEL = "cloud-run-mesh/auto-registration";
/** Label of a namespace that may claim host names which are not its own; the value is `allowed`. */
export const PLAIN_HOSTS_LABEL = "cloud-run-mesh/plain-hosts";

/** Config map of `CloudRunService` entries; one name, so that the right to read this one is enough. */
export const SERVICES_CONFIG_MAP = "cloud-run-services";

/** Namespace of the gate, where nobody says another. */
export const GATE_NAMESPACE = "istio-system";
/** Service of the gate for the mesh: its load balancer's address stands in every WorkloadEntry. */
export const INTERNAL_GATE = "internal-hgate";

/** A name as Kubernetes' Services and namespaces have it (RFC 1123 label, 63 characters). */
export function isLabel(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}

/** A host name in lower case, of two labels at least and no address: what may stand in a ClientHello. */
export function isHostName(text: string): boolean {
  const labels = text.split(".");
  return text.length <= 253 && labels.length >= 2 && labels.every(isLabel) && !/^\d+$/.test(labels.at(-1)!);
}

/** Where a service of Cloud Run is. */
export interface CloudRunName {
  project: string;
  region: string;
  service: string;
}

/** `projects/P/locations/R/services/S` */
export function fullServiceName({ project, region, service }: CloudRunName): string {
  return `projects/${project}/locations/${region}/services/${service}`;
}

/**
 * Reads `service`, `region/service`, `project/region/service` and `projects/P/locations/R/services/S`.
 * @returns `undefined` for any other text, and where a part is neither given nor a default
 */
export function parseServiceName(
  text: string,
  defaults: { project?: string | undefined; region?: string | undefined } = {},
): CloudRunName | undefined {
  const full = /^projects\/([^/]+)\/locations\/([^/]+)\/services\/([^/]+)$/.exec(text);
  const parts = full ? full.slice(1) : text.split("/");
  if (parts.length > 3) return undefined;
  const [service = "", region = defaults.region ?? "", project = defaults.project ?? ""] = parts.toReversed();
  const isProject = /^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/.test(project); // example.com:name is the old form
  return isProject && isLabel(region) && isLabel(service) ? { project, region, service } : undefined;
}
