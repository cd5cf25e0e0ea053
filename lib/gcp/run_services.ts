import { unlessMissing } from "../base/unless_missing.ts";
import { googleCall, type GoogleRest, pathOf } from "./rest.ts";
import { type RunWait, untilDone } from "./run_operation.ts";
import { RunOperation, RunResource, RunRevision } from "./run_resource.ts";

/** Where a service is. */
export interface RunPlace {
  project: string;
  region: string;
  service: string;
}

/** Fields of a service that are to be written; those that are computed are left out by Cloud Run itself. */
export type RunFields = Partial<RunResource>;

/**
 * One Cloud Run service, read and written: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services. A write
 * returns when Cloud Run has done it; one with an `etag` that is no longer the service's changes nothing.
 */
export interface RunServiceStore {
  readonly place: RunPlace;
  /** For people: `Cloud Run service web in us-central1`. */
  readonly of: string;
  /** `undefined` where there is none. @throws {HttpError} */
  read(signal?: AbortSignal): Promise<RunResource | undefined>;
  /** @throws {HttpError} 409 where there is one  {RunOperationError} it does not get ready */
  create(fields: RunFields, wait: RunWait): Promise<void>;
  /**
   * Writes the fields that `mask` names, whole: one that is named and not given is emptied.
   * @throws {HttpError} 409 with a stale `etag`  {RunOperationError} what is wanted does not get ready
   */
  update(fields: RunFields, mask: readonly string[], wait: RunWait): Promise<void>;
  /** What {@link create} or {@link update} would be told, without doing it. @throws {HttpError} */
  validate(fields: RunFields, mask: readonly string[] | "create", signal?: AbortSignal): Promise<void>;
  /** @param name `web-00001-abc`  @returns `undefined` where there is none */
  revision(name: string, signal?: AbortSignal): Promise<RunRevision | undefined>;
}

const API = "run.googleapis.com";

export function runServiceStore(place: RunPlace, rest: GoogleRest): RunServiceStore {
  const { project, region, service } = place;
  const of = `Cloud Run service ${service} in ${region}`;
  const parent = `v2/${pathOf("projects", project, "locations", region)}`;
  const path = `${parent}/services/${encodeURIComponent(service)}`;
  const common = { api: API, project };
  const write = async (
    what: string,
    call: { method: "POST" | "PATCH"; path: string; json?: unknown; permission: string },
    wait: RunWait | undefined,
    signal?: AbortSignal,
  ) => {
    const operation = await googleCall(RunOperation, {
      ...common,
      ...call,
      what,
      timeoutMs: 60_000,
      fix: (status, answer) => writeFix(status, answer, place),
      signal: wait?.signal ?? signal,
    }, rest);
    if (wait) await untilDone(operation, { what, project }, rest, wait);
  };
  const creation = (json: RunFields) => ({
    method: "POST" as const,
    path: `${parent}/services?serviceId=${encodeURIComponent(service)}`,
    json,
    permission: "run.services.create",
  });
  const change = (json: RunFields, mask: readonly string[]) => ({
    method: "PATCH" as const,
    path: `${path}?updateMask=${encodeURIComponent(mask.join(","))}`,
    json: { name: `${parent.slice("v2/".length)}/services/${service}`, ...json },
    permission: "run.services.update",
  });
  return {
    place,
    of,
    read: (signal) =>
      unlessMissing(googleCall(RunResource, {
        ...common,
        what: `read ${of} of project ${project}`,
        path,
        permission: "run.services.get",
        signal,
      }, rest)),
    create: (fields, wait) => write(`create ${of} of project ${project}`, creation(fields), wait),
    update: (fields, mask, wait) => write(`change ${of} of project ${project}`, change(fields, mask), wait),
    async validate(fields, mask, signal) {
      const call = mask === "create" ? creation(fields) : change(fields, mask);
      const what = `${mask === "create" ? "create" : "change"} ${of} of project ${project}, on trial`;
      await write(what, { ...call, path: `${call.path}&validateOnly=true` }, undefined, signal);
    },
    revision: (name, signal) =>
      unlessMissing(googleCall(RunRevision, {
        ...common,
        what: `read revision ${name} of ${of}`,
        path: `${path}/revisions/${encodeURIComponent(name)}`,
        permission: "run.revisions.get",
        signal,
      }, rest)),
  };
}

/** What to do where Cloud Run refuses a change: https://cloud.google.com/run/docs/troubleshooting. */
function writeFix(status: number, answer: string, { project }: RunPlace): string | undefined {
  const account = /on service account ([^\s"\\]+@[^\s"\\]+)/.exec(answer)?.[1];
  if (status === 403 && /actas/i.test(answer)) {
    return `gcloud iam service-accounts add-iam-policy-binding ${account ?? "ACCOUNT"} --project ${project} ` +
      "--member user:YOU --role roles/iam.serviceAccountUser (it has iam.serviceAccounts.actAs)";
  }
  if (status === 404) return `check the region: gcloud run regions list --project ${project}`;
  if (status === 409) return "somebody else changes it at the same time: look at it, then run this again";
  return undefined;
}
