/**
 * What the Cloud Run Admin API refuses of a service, with its own words where they are known.
 *
 * Wire facts: the texts are those of https://github.com/hashicorp/terraform-provider-google/issues/23344 (one exposed port),
 * https://github.com/GoogleCloudPlatform/magic-modules/pull/10173 (0 or 1 port), https://github.com/googleapis/google-cloud-java/issues/11101
 * (required field), https://github.com/hashicorp/terraform-provider-google/pull/6491 (a revision's prefix),
 * https://cloud.google.com/run/docs/container-contract#env-vars (reserved names), …/configuring/healthchecks (limits of probes).
 */
import { misfits, WRITABLE } from "./cloud_run_fields.ts";
import { COMPUTED } from "./cloud_run_fields.ts";
import {
  BY_REVISION,
  LATEST,
  type RunContainerResource,
  type RunProbeResource,
  type RunServiceResource,
  type RunTemplateResource,
  type RunTrafficResource,
} from "./cloud_run_types.ts";
import type { EmulatedAnswer } from "./http_server.ts";
import { jsonAnswer } from "./http_server.ts";

/** A field that is wrong, and why. */
export interface Violation {
  field: string;
  description: string;
}

/** Google's 400 with its field violations; `message` is that of the first one unless it is given. */
export function badRequest(violations: readonly Violation[], message?: string): EmulatedAnswer {
  const [first] = violations;
  return jsonAnswer(400, {
    error: {
      code: 400,
      message: message ?? `${first!.field}: ${first!.description}`,
      status: "INVALID_ARGUMENT",
      details: [{ "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: violations }],
    },
  });
}

/** JSON with names that no field has, or values of another type. */
export function unknownFields(body: unknown): EmulatedAnswer | undefined {
  const found = misfits(body, { ...WRITABLE, ...COMPUTED }, "service");
  return found.length > 0 ? badRequest(found, found[0]!.description) : undefined;
}

/** What is wrong with a service as it would be. @param verb whose request it is, as it stands in the texts */
export function violationsOf(service: RunServiceResource, name: string, verb: "Create" | "Update"): Violation[] {
  const at = `Violation in ${verb}ServiceRequest.service`;
  const { template, traffic = [], annotations = {}, labels = {} } = service;
  if (!template) return [{ field: `${at}.template`, description: "required field not present." }];
  return [
    ...reserved(annotations, "annotations"),
    ...reserved(labels as Record<string, string>, "labels"),
    ...templateViolations(template, name, at),
    ...trafficViolations(traffic, name),
  ];
}

/** https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services#Service: system namespaces have fields of their own. */
function reserved(map: Record<string, string>, field: string): Violation[] {
  return Object.keys(map)
    .filter((key) => /^(run|cloud)\.googleapis\.com\/|^(serving|autoscaling)\.knative\.dev\//.test(key))
    .map((key) => ({ field, description: `${key} is a system ${field.slice(0, -1)} and not supported.` }));
}

function templateViolations(template: RunTemplateResource, service: string, at: string): Violation[] {
  const { containers = [], revision, annotations = {}, labels = {} } = template;
  const found: Violation[] = [
    ...reserved(annotations as Record<string, string>, "template.annotations"),
    ...reserved(labels as Record<string, string>, "template.labels"),
  ];
  if (revision !== undefined && (!revision.startsWith(`${service}-`) || revision.length > 63)) {
    const description =
      "The revision name must be prefixed by the name of the enclosing Service or Configuration with a trailing -";
    found.push({ field: "template.revision", description });
  }
  if (containers.length === 0) {
    found.push({ field: `${at}.template.containers`, description: "required field not present." });
  }
  const exposed = containers.filter(({ ports = [] }) => ports.length > 0);
  for (const [index, container] of containers.entries()) {
    const isIngress = containers.length === 1 || exposed.includes(container);
    found.push(
      ...containerViolations(container, { index, isIngress, template, at: `${at}.template.containers[${index}]` }),
    );
  }
  if (containers.length > 1 && exposed.length !== 1) {
    const description = "Revision template should contain exactly one container with an exposed port.";
    found.push({ field: "template.containers", description });
  }
  return [...found, ...orderViolations(containers)];
}

function containerViolations(
  container: RunContainerResource,
  { index, isIngress, template, at }: { index: number; isIngress: boolean; template: RunTemplateResource; at: string },
): Violation[] {
  const found: Violation[] = [];
  const { image, name, env = [], ports = [], volumeMounts = [], startupProbe, livenessProbe } = container;
  const short = `template.containers[${index}]`;
  if (!image) found.push({ field: `${at}.image`, description: "required field not present." });
  if (name !== undefined && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
    found.push({ field: `${at}.name`, description: "must be a DNS label." });
  }
  if (ports.length > 1) found.push({ field: `${at}.ports`, description: "ports should contain 0 or 1 port." });
  for (const { name, containerPort } of ports) {
    if (name !== undefined && !["", "http1", "h2c"].includes(name)) {
      found.push({ field: `${short}.ports.name`, description: 'should be one of "", "http1", "h2c"' });
    }
    if (containerPort !== undefined && (containerPort < 1 || containerPort > 65_535)) {
      found.push({ field: `${short}.ports.container_port`, description: "must be between 1 and 65535." });
    }
  }
  const system = ["K_SERVICE", "K_REVISION", "K_CONFIGURATION", ...(isIngress ? ["PORT"] : [])];
  const taken = env.map(({ name }) => name).filter((name) => system.includes(name));
  if (taken.length > 0) {
    const description = `The following reserved env names were provided: ${taken.join(", ")}. ` +
      "These values are automatically set by the system.";
    found.push({ field: `${short}.env`, description });
  }
  const twice = env.map(({ name }) => name).filter((name, at, all) => all.indexOf(name) !== at);
  if (twice.length > 0) found.push({ field: `${short}.env`, description: `duplicate name ${twice[0]}.` });
  const volumes = (template["volumes"] as { name: string }[] | undefined ?? []).map(({ name }) => name);
  for (const { name } of volumeMounts.filter(({ name }) => !volumes.includes(name))) {
    found.push({ field: `${short}.volume_mounts`, description: `Volume "${name}" is not defined.` });
  }
  const context = { at: short, hasPort: isIngress };
  found.push(...probeViolations(startupProbe, { ...context, kind: "startup" }));
  found.push(...probeViolations(livenessProbe, { ...context, kind: "liveness" }));
  return found;
}

/** The longest that a startup probe may take in all, in seconds. */
const LONGEST_STARTUP = 240;

function probeViolations(
  probe: RunProbeResource | undefined,
  { at, kind, hasPort }: { at: string; kind: "startup" | "liveness"; hasPort: boolean },
): Violation[] {
  if (!probe) return [];
  const field = `${at}.${kind}_probe`;
  const { periodSeconds = 10, timeoutSeconds = 1, failureThreshold = 3 } = probe;
  const actions = [probe.httpGet, probe.tcpSocket, probe.grpc].filter((action) => action !== undefined);
  const found: Violation[] = [];
  if (actions.length !== 1) {
    found.push({ field, description: "exactly one of httpGet, tcpSocket, or grpc must be specified." });
  }
  if (kind === "liveness" && probe.tcpSocket) found.push({ field, description: "tcpSocket is not supported." });
  if (timeoutSeconds > periodSeconds) {
    found.push({ field: `${field}.timeout_seconds`, description: "must not be greater than period_seconds." });
  }
  if (kind === "startup" && periodSeconds * failureThreshold > LONGEST_STARTUP) {
    const description = `period_seconds * failure_threshold must not be greater than ${LONGEST_STARTUP}.`;
    found.push({ field, description });
  }
  if (!hasPort && actions.some((action) => action.port === undefined)) {
    found.push({ field, description: "a port is required in a container without ports." });
  }
  return found;
}

/** Names are unique, `dependsOn` names containers, and nobody waits for himself. */
function orderViolations(containers: readonly RunContainerResource[]): Violation[] {
  const names = containers.map(({ name }) => name).filter((name) => name !== undefined);
  const field = "template.containers";
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) return [{ field, description: `Container name "${twice}" is not unique.` }];
  for (const { name, dependsOn = [] } of containers) {
    const unknown = dependsOn.find((other) => !names.includes(other));
    if (unknown !== undefined) {
      return [{ field, description: `Container "${name}" depends on "${unknown}", which is not defined.` }];
    }
  }
  let left = [...containers];
  for (;;) {
    const waits = left.filter(({ dependsOn = [] }) =>
      dependsOn.some((name) => left.some((other) => other.name === name))
    );
    if (waits.length === 0) return [];
    if (waits.length === left.length) {
      return [{
        field,
        description: `Container dependencies have a cycle: ${waits.map(({ name }) => name).join(", ")}.`,
      }];
    }
    left = waits;
  }
}

function trafficViolations(traffic: readonly RunTrafficResource[], service: string): Violation[] {
  const found: Violation[] = [];
  for (const [index, { type, revision, percent = 0, tag }] of traffic.entries()) {
    const field = `traffic[${index}]`;
    if (type !== LATEST && type !== BY_REVISION) found.push({ field: `${field}.type`, description: "must be set." });
    if (type === BY_REVISION && !revision) found.push({ field: `${field}.revision`, description: "must be set." });
    if (type === LATEST && revision) found.push({ field: `${field}.revision`, description: "must not be set." });
    if (percent < 0 || percent > 100) {
      found.push({ field: `${field}.percent`, description: "must be between 0 and 100." });
    }
    if (tag !== undefined && (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(tag) || tag.length + service.length > 46)) {
      const description =
        "must consist of lower case letters, digits and hyphens, start with a letter, not end with a " +
        "hyphen, and be with the service's name no longer than 46 characters.";
      found.push({ field: `${field}.tag`, description });
    }
  }
  const tags = traffic.map(({ tag }) => tag).filter((tag) => tag !== undefined);
  const twice = tags.find((tag, at) => tags.indexOf(tag) !== at);
  if (twice !== undefined) found.push({ field: "traffic", description: `Tag ${twice} is used more than once.` });
  const sum = traffic.reduce((sum, { percent = 0 }) => sum + percent, 0);
  if (traffic.length > 0 && sum !== 100) {
    found.push({ field: "traffic", description: `Traffic targets sum to ${sum}, want 100.` });
  }
  return found;
}
