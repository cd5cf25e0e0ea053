import { Problem } from "../../base/errors.ts";
import { HttpError } from "../../base/http.ts";
import type { RunResource, RunServiceStore, RunWait } from "../../gcp/mod.ts";
import { differencesOf } from "../difference.ts";
import type { Change, Goal } from "../step.ts";
import {
  addChange,
  type AddOptions,
  changed,
  changeDifferences,
  restoreChange,
  type ServiceChange,
  shiftChange,
} from "./change.ts";
import { changedSince } from "./changed_since.ts";
import { existing } from "./place.ts";
import { comparable } from "./comparable.ts";
import { untilReady } from "./ready.ts";
import { formerOf } from "./record.ts";

/** What is waited for, and how long. */
export type Patience = Omit<RunWait, "signal">;

/** What a service takes to be as it is wanted, seen from any state of it. */
type ChangeOf = (service: RunResource) => ServiceChange | undefined;

/** The service has krun in front of its app, in a revision that gets no requests yet but by its tag. */
export function withKrun(store: RunServiceStore, options: AddOptions, patience: Patience): Goal {
  const changeOf = (service: RunResource) => addChange(service, options);
  return {
    subject: `${store.of}: a revision with krun, without requests`,
    async plan(signal) {
      return await changes(store, await existing(store, signal), changeOf, patience, signal);
    },
  };
}

/** Requests go to the new revision as they went to the one before. */
export function shifted(store: RunServiceStore, options: AddOptions, patience: Patience): Goal {
  return {
    subject: `${store.of}: requests to the new revision`,
    async plan(signal) {
      const service = await existing(store, signal);
      const coming = addChange(service, options);
      const then = coming ? changed(service, coming) : service;
      const change = shiftChange(then);
      if (!change) return undefined;
      const shown = { ...change, mask: change.mask.filter((name) => name !== "annotations") }; // our own notes are no news
      return {
        action: "update",
        differences: changeDifferences(then, shown),
        apply: async (signal) =>
          await write(store, await existing(store, signal), shiftChange, { ...patience, signal }),
      };
    },
  };
}

/** The service is what it was before `add-service`; one that it did not change is left alone. */
export function restored(store: RunServiceStore, { force }: { force: boolean }, patience: Patience): Goal {
  return {
    subject: `${store.of}: as it was before`,
    async plan(signal) {
      const service = await store.read(signal);
      const former = service && formerOf(service);
      if (!service || !former) return undefined;
      const what = `give back ${store.of} as it was before`;
      const revision = await store.revision(former.revision, signal);
      if (!revision) {
        const got = `its revision ${former.revision} is gone`;
        throw new Problem({ tried: what, got, fix: "deploy it anew, e.g.: gcloud run deploy" });
      }
      const since = changedSince(service, former, revision);
      if (since.length > 0 && !force) {
        const got = `it was changed since add-service: ${since.join(", ")}`;
        throw new Problem({ tried: what, got, fix: "--force gives back what was before, and that change goes" });
      }
      const changeOf = (now: RunResource) => formerOf(now) && restoreChange(now, former, revision);
      return await changes(store, service, changeOf, patience, signal);
    },
  };
}

/** What brings a service about, from what it is: tried by Cloud Run itself before it is shown. */
export async function changes(
  store: RunServiceStore,
  service: RunResource,
  changeOf: ChangeOf,
  patience: Patience,
  signal: AbortSignal,
): Promise<Change | undefined> {
  const change = changeOf(service);
  if (!change) return undefined;
  await store.validate({ ...change.fields, ...etagOf(service) }, change.mask, signal);
  return {
    action: "update",
    differences: changeDifferences(service, change),
    apply: (signal) => write(store, service, changeOf, { ...patience, signal }),
  };
}

/**
 * Makes a service. Where it is there by now it has to be as it is wanted: the answer to the first try may have been lost.
 * @throws {Problem} somebody else has made one of that name
 */
export async function make(
  store: RunServiceStore,
  changeOf: ChangeOf,
  change: ServiceChange,
  wait: RunWait,
): Promise<void> {
  try {
    await store.create(change.fields, wait);
  } catch (error) {
    if (!(error instanceof HttpError && error.status === 409)) throw error;
    const now = await store.read(wait.signal);
    if (now && !changeOf(now)) return void await untilReady(store, wait, () => {});
    const fix = "look at what they did, then run this again";
    throw new Problem({ tried: error.tried, got: `it could not be made: ${error.got}`, fix, cause: error });
  }
}

const TRIES = 5;

/**
 * Makes the change on the state that it was planned on. Where somebody has changed something else since, it is made on that.
 * @throws {Problem} somebody has changed the template or the traffic: nothing is overwritten
 */
async function write(store: RunServiceStore, planned: RunResource, changeOf: ChangeOf, wait: RunWait): Promise<void> {
  let service = planned;
  for (let tries = 1;; tries++) {
    const change = changeOf(service);
    // The answer to the first try may have been lost.
    if (!change) return void await untilReady(store, wait, () => {});
    try {
      return await store.update({ ...change.fields, ...etagOf(service) }, change.mask, wait);
    } catch (error) {
      if (!(error instanceof HttpError && error.status === 409)) throw error;
      const now = await existing(store, wait.signal);
      const isOther = changeOf(now) !== undefined && differencesOf(ownOf(planned), ownOf(now)).length > 0;
      if (isOther || tries === TRIES) {
        const got = `somebody else changed it meanwhile: ${error.got}`;
        const fix = "look at what they did, then run this again";
        throw new Problem({ tried: error.tried, got, fix, cause: error });
      }
      service = now;
    }
  }
}

/** What a plan is about. */
function ownOf({ template, traffic, invokerIamDisabled }: RunResource): unknown {
  return comparable({ template, traffic, invokerIamDisabled });
}

function etagOf({ etag }: RunResource): { etag?: string } {
  return etag === undefined ? {} : { etag };
}
