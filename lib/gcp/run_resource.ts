import * as v from "valibot";

/**
 * Services, revisions and operations of the Cloud Run Admin API as they come, with all that is not looked at here: what is read is
 * written back whole. https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
 */
const text = v.optional(v.string());
const texts = v.optional(v.record(v.string(), v.string()));
const loose = v.optional(v.looseObject({}));

const EnvVar = v.looseObject({ name: v.string(), value: text, valueSource: loose });

const Probe = v.looseObject({
  initialDelaySeconds: v.optional(v.number()),
  periodSeconds: v.optional(v.number()),
  timeoutSeconds: v.optional(v.number()),
  failureThreshold: v.optional(v.number()),
  httpGet: v.optional(v.looseObject({ path: text, port: v.optional(v.number()) })),
  tcpSocket: v.optional(v.looseObject({ port: v.optional(v.number()) })),
  grpc: v.optional(v.looseObject({ port: v.optional(v.number()) })),
});

const Container = v.looseObject({
  name: text,
  image: text,
  command: v.optional(v.array(v.string())),
  args: v.optional(v.array(v.string())),
  env: v.optional(v.array(EnvVar)),
  ports: v.optional(v.array(v.looseObject({ name: text, containerPort: v.optional(v.number()) }))),
  resources: v.optional(v.looseObject({
    limits: texts,
    cpuIdle: v.optional(v.boolean()),
    startupCpuBoost: v.optional(v.boolean()),
  })),
  dependsOn: v.optional(v.array(v.string())),
  startupProbe: v.optional(Probe),
  livenessProbe: v.optional(Probe),
  readinessProbe: v.optional(Probe),
});

const Template = v.looseObject({
  /** Unique among the service's revisions; made by Cloud Run where it is not given. */
  revision: text,
  labels: texts,
  annotations: texts,
  containers: v.optional(v.array(Container)),
  serviceAccount: text,
  executionEnvironment: text,
  timeout: text,
  maxInstanceRequestConcurrency: v.optional(v.number()),
  vpcAccess: loose,
  scaling: loose,
  volumes: v.optional(v.array(v.looseObject({ name: v.string() }))),
});

const TrafficTarget = v.looseObject({ type: text, revision: text, percent: v.optional(v.number()), tag: text });

const Condition = v.looseObject({ type: text, state: text, reason: text, revisionReason: text, message: text });

export const RunResource = v.looseObject({
  /** `projects/P/locations/R/services/S` */
  name: v.string(),
  uri: text,
  urls: v.optional(v.array(v.string())),
  /** What a write has to show to be one on this state. */
  etag: text,
  /** Of the desired state; a 64-bit number, which is a text in JSON. */
  generation: text,
  labels: texts,
  annotations: texts,
  ingress: text,
  invokerIamDisabled: v.optional(v.boolean()),
  customAudiences: v.optional(v.array(v.string())),
  reconciling: v.optional(v.boolean()),
  template: v.optional(Template),
  traffic: v.optional(v.array(TrafficTarget)),
  trafficStatuses: v.optional(v.array(v.looseObject({ ...TrafficTarget.entries, uri: text }))),
  /** `projects/P/locations/R/services/S/revisions/REV`, as the next one. */
  latestReadyRevision: text,
  latestCreatedRevision: text,
  terminalCondition: v.optional(Condition),
  conditions: v.optional(v.array(Condition)),
});

export const RunRevision = v.looseObject({
  name: v.string(),
  service: text,
  labels: texts,
  annotations: texts,
  containers: v.optional(v.array(Container)),
  conditions: v.optional(v.array(Condition)),
  reconciling: v.optional(v.boolean()),
});

/** https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.operations */
export const RunOperation = v.looseObject({
  /** `projects/P/locations/R/operations/ID`; empty where the request was only validated. */
  name: v.optional(v.string(), ""),
  done: v.optional(v.boolean(), false),
  error: v.optional(v.looseObject({ code: v.optional(v.number()), message: text })),
  response: loose,
});

export type RunResource = v.InferOutput<typeof RunResource>;
export type RunRevision = v.InferOutput<typeof RunRevision>;
export type RunOperation = v.InferOutput<typeof RunOperation>;
export type RunTemplate = v.InferOutput<typeof Template>;
export type RunContainer = v.InferOutput<typeof Container>;
export type RunEnvVar = v.InferOutput<typeof EnvVar>;
export type RunProbe = v.InferOutput<typeof Probe>;
export type RunTraffic = v.InferOutput<typeof TrafficTarget>;
export type RunCondition = v.InferOutput<typeof Condition>;

/** The values of a traffic target's `type`. */
export const TRAFFIC_LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
export const TRAFFIC_REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

/** The last part of a resource name: `web-00001-abc` of `projects/…/revisions/web-00001-abc`. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
