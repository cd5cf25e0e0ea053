/** What the emulated Cloud Run Admin API keeps. https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services */

export interface RunCondition {
  type: string;
  state: string;
  reason?: string;
  revisionReason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface RunContainerResource {
  name?: string;
  image?: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string; valueSource?: unknown }[];
  ports?: { name?: string; containerPort?: number }[];
  dependsOn?: string[];
  startupProbe?: RunProbeResource;
  livenessProbe?: RunProbeResource;
  volumeMounts?: { name: string; mountPath?: string }[];
  [field: string]: unknown;
}

export interface RunProbeResource {
  initialDelaySeconds?: number;
  timeoutSeconds?: number;
  periodSeconds?: number;
  failureThreshold?: number;
  httpGet?: { path?: string; port?: number };
  tcpSocket?: { port?: number };
  grpc?: { port?: number };
  [field: string]: unknown;
}

export interface RunTemplateResource {
  revision?: string;
  timeout?: string;
  maxInstanceRequestConcurrency?: number;
  serviceAccount?: string;
  containers?: RunContainerResource[];
  [field: string]: unknown;
}

export interface RunTrafficResource {
  type?: string;
  revision?: string;
  percent?: number;
  tag?: string;
}

/** A service as the API gives it; durations are texts such as `300s`, 64-bit numbers too. */
export interface RunServiceResource {
  /** `projects/P/locations/R/services/S` */
  name: string;
  uri?: string;
  urls?: string[];
  etag?: string;
  generation?: string;
  ingress?: string;
  customAudiences?: string[];
  invokerIamDisabled?: boolean;
  annotations?: Record<string, string>;
  reconciling?: boolean;
  template?: RunTemplateResource;
  traffic?: RunTrafficResource[];
  trafficStatuses?: (RunTrafficResource & { uri?: string })[];
  latestCreatedRevision?: string;
  latestReadyRevision?: string;
  terminalCondition?: RunCondition;
  [field: string]: unknown;
}

export interface RunRevisionResource extends Omit<RunTemplateResource, "revision"> {
  /** `projects/P/locations/R/services/S/revisions/REV` */
  name: string;
  service: string;
  conditions: RunCondition[];
  containers?: RunContainerResource[];
}

export const LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
export const BY_REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";
export const SUCCEEDED = "CONDITION_SUCCEEDED";
export const FAILED = "CONDITION_FAILED";
export const RECONCILING = "CONDITION_RECONCILING";

/** `web` of `projects/p/locations/r/services/web`. */
export const lastOf = (name: string) => name.slice(name.lastIndexOf("/") + 1);
