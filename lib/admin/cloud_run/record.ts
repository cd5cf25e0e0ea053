import type { RunResource, RunRevision, RunTemplate } from "../../gcp/mod.ts";
import { shortName } from "../../gcp/mod.ts";
import * as v from "valibot";

/** Annotation of a service that `add-service` changed: what it was before, for the way back. */
export const FORMER = "cloud-run-mesh/former";
/** Annotation while the new revision is there and gets no requests yet: where they are to go. */
export const SHIFT = "cloud-run-mesh/shift";
/** Annotation of a template: makes the same one a new revision, after one that failed. */
export const ATTEMPT = "cloud-run-mesh/attempt";

const Traffic = v.array(v.looseObject({
  type: v.optional(v.string()),
  revision: v.optional(v.string()),
  percent: v.optional(v.number()),
  tag: v.optional(v.string()),
}));

const Former = v.object({
  /** The revision whose template the service had. */
  revision: v.string(),
  traffic: Traffic,
  tag: v.string(),
  /** What of a template its revision does not give back. */
  template: v.optional(v.looseObject({}), {}),
});
export type Former = v.InferOutput<typeof Former>;

const Shift = v.object({ from: Traffic, to: Traffic, tag: v.string() });
export type Shift = v.InferOutput<typeof Shift>;

export function formerOf({ annotations }: RunResource): Former | undefined {
  return parsed(Former, annotations?.[FORMER]);
}

export function shiftOf({ annotations }: RunResource): Shift | undefined {
  return parsed(Shift, annotations?.[SHIFT]);
}

/** What of the service as it is now has to be known later. */
export function recordOf(
  { template = {}, latestCreatedRevision = "", traffic = [] }: RunResource,
  tag: string,
): Former {
  const { labels, annotations, healthCheckDisabled } = template;
  return {
    revision: shortName(latestCreatedRevision),
    traffic,
    tag,
    template: {
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(healthCheckDisabled === undefined ? {} : { healthCheckDisabled }),
    },
  };
}

/** What a revision has and a template has not, https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services.revisions. */
const OF_REVISIONS = [
  ...["name", "uid", "generation", "createTime", "updateTime", "deleteTime", "expireTime", "launchStage", "service"],
  ...["reconciling", "conditions", "observedGeneration", "logUri", "satisfiesPzs", "scalingStatus", "etag", "creator"],
  ...["labels", "annotations"], // Cloud Run adds its own
];

/** The template that the revision was made of. */
export function templateOf(revision: RunRevision, { template }: Former): RunTemplate {
  const fields = Object.entries(revision).filter(([name]) => !OF_REVISIONS.includes(name));
  return { ...Object.fromEntries(fields), ...template };
}

/** What nobody can read is as if it were not there. */
function parsed<S extends v.GenericSchema>(schema: S, text: string | undefined): v.InferOutput<S> | undefined {
  if (text === undefined) return undefined;
  try {
    const result = v.safeParse(schema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
