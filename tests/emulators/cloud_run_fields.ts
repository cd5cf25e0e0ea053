/**
 * The fields that the Cloud Run Admin API knows of a service, and what each has to be: JSON that has others is refused before anything
 * else is looked at, as by every API of Google's that is made of protocol buffers.
 *
 * Wire facts: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services#Service
 */

/** `text`, `texts` (a map) … or the fields of a message; `many` is a list of such. */
export type FieldType = "text" | "number" | "long" | "boolean" | "texts" | "any" | Fields | { many: FieldType };
export interface Fields {
  [name: string]: FieldType;
}

const many = (of: FieldType): { many: FieldType } => ({ many: of });
const texts: FieldType = "texts";
const fieldsOf = (type: FieldType, names: string): Fields =>
  Object.fromEntries(names.split(" ").map((name) => [name, type]));

const PROBE: Fields = {
  ...fieldsOf("number", "initialDelaySeconds timeoutSeconds periodSeconds failureThreshold successThreshold"),
  httpGet: { path: "text", port: "number", httpHeaders: many({ name: "text", value: "text" }) },
  tcpSocket: { port: "number" },
  grpc: { port: "number", service: "text" },
};

const CONTAINER: Fields = {
  ...fieldsOf("text", "name image workingDir baseImageUri"),
  ...fieldsOf(many("text"), "command args dependsOn"),
  sourceCode: "any",
  env: many({
    name: "text",
    value: "text",
    valueSource: { secretKeyRef: { secret: "text", version: "text" } },
  }),
  resources: { limits: texts, cpuIdle: "boolean", startupCpuBoost: "boolean" },
  ports: many({ name: "text", containerPort: "number" }),
  volumeMounts: many({ name: "text", mountPath: "text", subPath: "text" }),
  livenessProbe: PROBE,
  startupProbe: PROBE,
  readinessProbe: PROBE,
  buildInfo: "any",
};

const VOLUME: Fields = {
  name: "text",
  secret: {
    secret: "text",
    items: many({ path: "text", version: "text", mode: "number" }),
    defaultMode: "number",
  },
  cloudSqlInstance: { instances: many("text") },
  emptyDir: { medium: "text", sizeLimit: "text" },
  nfs: { server: "text", path: "text", readOnly: "boolean" },
  gcs: { bucket: "text", readOnly: "boolean", mountOptions: many("text") },
};

/** What a template and a revision have in common. */
export const TEMPLATE: Fields = {
  ...fieldsOf(
    "text",
    "revision timeout serviceAccount executionEnvironment encryptionKey encryptionKeyRevocationAction",
  ),
  ...fieldsOf("text", "encryptionKeyShutdownDuration client clientVersion"),
  ...fieldsOf("boolean", "sessionAffinity healthCheckDisabled gpuZonalRedundancyDisabled"),
  labels: texts,
  annotations: texts,
  scaling: { minInstanceCount: "number", maxInstanceCount: "number" },
  vpcAccess: {
    connector: "text",
    egress: "text",
    networkInterfaces: many({ network: "text", subnetwork: "text", tags: many("text") }),
  },
  containers: many(CONTAINER),
  volumes: many(VOLUME),
  maxInstanceRequestConcurrency: "number",
  serviceMesh: { mesh: "text" },
  nodeSelector: { accelerator: "text" },
};

/** What may be written of a service. */
export const WRITABLE: Fields = {
  ...fieldsOf("text", "description client clientVersion ingress launchStage"),
  ...fieldsOf("boolean", "invokerIamDisabled defaultUriDisabled iapEnabled threatDetectionEnabled"),
  labels: texts,
  annotations: texts,
  binaryAuthorization: "any",
  template: TEMPLATE,
  traffic: many({ type: "text", revision: "text", percent: "number", tag: "text" }),
  scaling: {
    ...fieldsOf("number", "minInstanceCount maxInstanceCount manualInstanceCount"),
    scalingMode: "text",
  },
  customAudiences: many("text"),
  buildConfig: "any",
  multiRegionSettings: "any",
};

/** Those that only Cloud Run writes: in a request they are passed over, `name` and `etag` aside. */
export const COMPUTED: Fields = {
  ...fieldsOf("text", "name uid etag createTime updateTime deleteTime expireTime creator lastModifier"),
  ...fieldsOf("text", "latestReadyRevision latestCreatedRevision uri"),
  ...fieldsOf("long", "generation observedGeneration"),
  ...fieldsOf("boolean", "reconciling satisfiesPzs"),
  ...fieldsOf("any", "terminalCondition conditions trafficStatuses urls"),
};

export const SERVICE: Fields = { ...WRITABLE, ...COMPUTED };

/** What is wrong with `value`: unknown names and values of another type, each where it is. */
export function misfits(value: unknown, type: FieldType, at: string): { field: string; description: string }[] {
  if (type === "any" || value === null || value === undefined) return [];
  if (typeof type === "object" && isList(type)) {
    if (!Array.isArray(value)) return [wrong(at, "message list", value)];
    return value.flatMap((item, index) => misfits(item, type.many, `${at}[${index}]`));
  }
  if (type === "texts") {
    if (!isObject(value)) return [wrong(at, "map", value)];
    return Object.entries(value).flatMap(([key, item]) => misfits(item, "text", `${at}[${JSON.stringify(key)}]`));
  }
  if (typeof type === "string") return fits(value, type) ? [] : [wrong(at, `TYPE_${WORDS[type]}`, value)];
  if (!isObject(value)) return [wrong(at, "message", value)];
  return Object.entries(value).flatMap(([name, item]) => {
    const field = Object.hasOwn(type, name) ? type[name]! : undefined;
    if (field !== undefined) return misfits(item, field, `${at}.${name}`);
    return [{
      field: at,
      description: `Invalid JSON payload received. Unknown name "${name}" at '${at}': Cannot find field.`,
    }];
  });
}

const WORDS: Readonly<Record<string, string>> = { text: "STRING", number: "INT32", long: "INT64", boolean: "BOOL" };

function fits(value: unknown, type: string): boolean {
  if (type === "text") return typeof value === "string";
  if (type === "boolean") return typeof value === "boolean";
  return (typeof value === "number" && Number.isInteger(value)) || (type === "long" && /^-?\d+$/.test(String(value)));
}

function wrong(at: string, type: string, value: unknown): { field: string; description: string } {
  return { field: at, description: `Invalid value at '${at}' (${type}), ${JSON.stringify(value)}` };
}

function isList(type: object): type is { many: FieldType } {
  return "many" in type && Object.keys(type).length === 1;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
