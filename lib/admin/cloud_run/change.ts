import { Problem } from "../../base/errors.ts";
import {
  type RunContainer,
  type RunFields,
  type RunResource,
  type RunRevision,
  type RunTemplate,
  shortName,
} from "../../gcp/mod.ts";
import { differencesOf } from "../difference.ts";
import type { Difference } from "../step.ts";
import { krunOf, type MeshOptions, meshTemplate } from "./mesh_template.ts";
import { comparable } from "./comparable.ts";
import { ATTEMPT, FORMER, type Former, formerOf, recordOf, SHIFT, shiftOf, templateOf } from "./record.ts";
import { isSameTraffic, named, pinned, shiftedFrom, trafficOf, withTag } from "./traffic.ts";

/** What is to be written of a service. */
export interface ServiceChange {
  fields: RunFields;
  /** Names of the fields, each written whole. */
  mask: readonly ("template" | "traffic" | "annotations" | "invokerIamDisabled")[];
}

export interface AddOptions {
  mesh: MeshOptions;
  /** Of the URL by which the new revision is asked before requests are led to it. */
  tag: string;
}

const FAILED = "CONDITION_FAILED";

/**
 * What puts a service into the mesh: a template with krun in front, its requests kept where they go now, and a record of what was before. All
 * in one write, so that there is nothing between before and after.
 * @returns `undefined` where nothing is to be done  @throws {Problem} its shape, or its state
 */
export function addChange(service: RunResource, { mesh, tag: wantedTag }: AddOptions): ServiceChange | undefined {
  const { template = {}, annotations, latestReadyRevision = "" } = service;
  const what = `put Cloud Run service ${shortName(service.name)} into the mesh`;
  const wanted = meshTemplate(template, mesh, what);
  const isRetry = hasFailed(service);
  if (!isRetry && sameTemplate(template, wanted)) return undefined;
  const former = formerOf(service);
  const isIn = former !== undefined || krunOf(template) !== undefined;
  if (!isIn) requireReady(service, what);
  const tag = former?.tag ?? wantedTag;
  const traffic = trafficOf(service.traffic, isIn ? tag : undefined);
  if (traffic.some((target) => target.tag === tag)) {
    throw new Problem({
      tried: what,
      got: `its tag ${tag} leads to a revision of its own`,
      fix: "choose another: --tag",
    });
  }
  const ready = shortName(latestReadyRevision);
  const before = shiftOf(service);
  const from = before ? [...traffic] : pinned(traffic, ready);
  const to = before?.to ?? shiftedFrom(traffic, ready);
  return {
    fields: {
      template: isRetry ? withAttempt(wanted, service) : wanted,
      traffic: withTag(from, tag),
      annotations: {
        ...annotations,
        ...(isIn ? {} : { [FORMER]: JSON.stringify(recordOf(service, tag)) }),
        [SHIFT]: JSON.stringify({ from, to, tag }),
      },
    },
    mask: ["template", "traffic", "annotations"],
  };
}

/** What leads requests to the new revision; where somebody else has led them elsewhere since, they stay there. */
export function shiftChange(service: RunResource): ServiceChange | undefined {
  const shift = shiftOf(service);
  if (!shift) return undefined;
  const { [SHIFT]: _, ...annotations } = service.annotations ?? {};
  if (!isSameTraffic(trafficOf(service.traffic, shift.tag), shift.from)) {
    return { fields: { annotations }, mask: ["annotations"] };
  }
  const traffic = withTag(named(shift.to, shortName(service.latestCreatedRevision ?? "")), shift.tag);
  return { fields: { annotations, traffic }, mask: ["traffic", "annotations"] };
}

/** What gives back what `add-service` found. */
export function restoreChange(service: RunResource, former: Former, revision: RunRevision): ServiceChange {
  const { [FORMER]: _former, [SHIFT]: _shift, ...annotations } = service.annotations ?? {};
  const left = Object.keys(annotations).length > 0 ? { annotations } : {};
  return {
    fields: { template: templateOf(revision, former), traffic: former.traffic, ...left },
    mask: ["template", "traffic", "annotations"],
  };
}

/** As the service would be. */
export function changed(service: RunResource, { fields }: ServiceChange): RunResource {
  return { ...service, ...fields };
}

/** Whether a template is as it is wanted; a revision's name is not wanted, it can be used once. */
export function sameTemplate({ revision: _, ...template }: RunTemplate, wanted: RunTemplate): boolean {
  return differencesOf(comparable(template), comparable(wanted)).length === 0;
}

/** The same template as another one, which becomes a revision of its own. */
export function withAttempt(template: RunTemplate, { generation = "0" }: RunResource): RunTemplate {
  return { ...template, annotations: { ...template.annotations, [ATTEMPT]: generation } };
}

/** Whether the last revision did not get ready: the same template has to become another revision. */
export function hasFailed({ terminalCondition, latestCreatedRevision, latestReadyRevision }: RunResource): boolean {
  return terminalCondition?.state === FAILED && latestCreatedRevision !== latestReadyRevision;
}

/** What does not serve would be recorded as the state to give back. */
function requireReady({ reconciling, terminalCondition, latestReadyRevision }: RunResource, what: string): void {
  if (reconciling) {
    throw new Problem({ tried: what, got: "a change of it is on its way", fix: "run this again in a minute" });
  }
  if (terminalCondition?.state === FAILED || !latestReadyRevision) {
    const got = `it does not serve: ${terminalCondition?.message ?? "it has no revision that is ready"}`;
    throw new Problem({ tried: what, got, fix: "mend that first" });
  }
}

/** What a change changes, with containers and variables by their names: by their places all would differ that have moved. */
export function changeDifferences(before: RunResource | undefined, change: ServiceChange): Difference[] {
  const shown = (of: RunFields | undefined) =>
    of && Object.fromEntries(
      change.mask.map((name) => [name, name === "template" ? byName(of.template) : of[name]]),
    );
  return differencesOf(comparable(shown(before)), comparable(shown(change.fields)));
}

function byName(template: RunTemplate | undefined): unknown {
  if (!template) return undefined;
  const { containers = [], ...kept } = template;
  const entries = containers.map((container, at): [string, unknown] => [nameOf(container, containers, at), {
    ...container,
    ...(container.env ? { env: Object.fromEntries(container.env.map(variableShown)) } : {}),
  }]);
  return { ...kept, containers: Object.fromEntries(entries) };
}

/** One without a name is the app, which has that name from then on. */
function nameOf({ name }: RunContainer, all: readonly RunContainer[], at: number): string {
  return name ?? (all.length === 1 ? "app" : String(at));
}

function variableShown(
  { name, value, valueSource }: { name: string; value?: string | undefined; valueSource?: unknown },
) {
  return [name, valueSource ?? value ?? ""] as const;
}
