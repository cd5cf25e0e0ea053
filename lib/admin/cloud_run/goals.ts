import { Problem } from "../../base/errors.ts";
import { HttpError } from "../../base/http.ts";
import type { RunResource, RunServiceStore, RunWait } from "../../gcp/mod.ts";
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
import { formerOf } from "./record.ts";
import { untilReady } from "./ready.ts";

/** What is waited for, and how long. */
export type Patience = Omit<RunWait, "signal">;

/** The service has krun in front of its app, in a revision that gets no requests yet but by its tag. */
export function withKrun(store: RunServiceStore, options: AddOptions, patience: Patience): Goal {
  return {
    subject: `${store.of}: a revision with krun, without requests`,
    async plan(signal) {
      const service = await existing(store, signal);
      const change = addChange(service, options);
      return change &&
        await written(store, service, change, patience, signal, (now) => addChange(now, options) === undefined);
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
      const change = shiftChange(coming ? changed(service, coming) : service);
      if (!change) return undefined;
      return {
        action: "update",
        differences: changeDifferences(service, withoutNotes(change)),
        async apply(signal) {
          const now = await existing(store, signal);
          const change = shiftChange(now);
          if (change) await write(store, now, change, { ...patience, signal }, (now) => shiftChange(now) === undefined);
        },
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
      const change = restoreChange(service, former, revision);
      return await written(store, service, change, patience, signal, (now) => formerOf(now) === undefined);
    },
  };
}

/** A change that was tried by Cloud Run itself, and is made on the state that it was planned on. */
async function written(
  store: RunServiceStore,
  service: RunResource,
  change: ServiceChange,
  patience: Patience,
  signal: AbortSignal,
  holds: (now: RunResource) => boolean,
): Promise<Change> {
  await store.validate({ ...change.fields, ...etagOf(service) }, change.mask, signal);
  return {
    action: "update",
    differences: changeDifferences(service, change),
    apply: (signal) => write(store, service, change, { ...patience, signal }, holds),
  };
}

/** @throws {Problem} somebody else has changed the service since: nothing is overwritten */
async function write(
  store: RunServiceStore,
  service: RunResource,
  { fields, mask }: ServiceChange,
  wait: RunWait,
  holds: (now: RunResource) => boolean,
): Promise<void> {
  try {
    await store.update({ ...fields, ...etagOf(service) }, mask, wait);
  } catch (error) {
    if (!(error instanceof HttpError && error.status === 409)) throw error;
    // The first answer may have been lost, and this is the second try's.
    const now = await store.read(wait.signal);
    if (now && holds(now)) return void await untilReady(store, wait, () => {});
    const fix = "look at what they did, then run this again";
    throw new Problem({
      tried: error.tried,
      got: `somebody else changed it meanwhile: ${error.got}`,
      fix,
      cause: error,
    });
  }
}

function etagOf({ etag }: RunResource): { etag?: string } {
  return etag === undefined ? {} : { etag };
}

/** Our own notes are no news to the reader of a shift. */
function withoutNotes(change: ServiceChange): ServiceChange {
  return { ...change, mask: change.mask.filter((name) => name !== "annotations") };
}
