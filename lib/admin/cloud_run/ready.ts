import { Problem } from "../../base/errors.ts";
import { pause } from "../../base/pause.ts";
import { type RunResource, type RunServiceStore, type RunWait, shortName } from "../../gcp/mod.ts";
import type { Check } from "../step.ts";

const FIRST_POLL_MS = 50;

/**
 * Waits until Cloud Run is done with a service and its last revision serves.
 * @throws {Problem} it does not, with Cloud Run's own words
 */
export async function untilReady(
  store: RunServiceStore,
  { signal, timeoutMs = 300_000, pollMs = 2_000 }: RunWait,
  progress: (text: string) => void,
): Promise<RunResource> {
  const until = performance.now() + timeoutMs;
  const tried = `wait for ${store.of}`;
  for (let waitMs = Math.min(pollMs, FIRST_POLL_MS);; waitMs = Math.min(pollMs, waitMs * 1.5)) {
    const service = await store.read(signal);
    if (!service) {
      throw new Problem({ tried, got: "it is gone", fix: "somebody has deleted it: find who, then run this again" });
    }
    const { terminalCondition: condition, latestCreatedRevision = "", latestReadyRevision } = service;
    const revision = shortName(latestCreatedRevision);
    if (!service.reconciling) {
      if (condition?.state === "CONDITION_FAILED") {
        const got = condition.message ?? condition.reason ?? "it failed to become ready";
        throw new Problem({
          tried,
          got,
          fix: `gcloud run revisions describe ${revision} --region ${store.place.region}`,
        });
      }
      if (latestReadyRevision === latestCreatedRevision) return service;
    }
    if (performance.now() >= until) {
      const got = `revision ${revision} is not ready after ${Math.round(timeoutMs / 1_000)} s`;
      throw new Problem({ tried, got, fix: "run this again with a longer --timeout; Cloud Run goes on meanwhile" });
    }
    progress(`revision ${revision} is on its way`);
    await pause(waitMs, signal);
  }
}

/** The last revision is ready: after a run that was cut off it may be on its way still. */
export function revisionReady(store: RunServiceStore, patience: Omit<RunWait, "signal">): Check {
  return {
    subject: `${store.of}: the last revision gets ready`,
    async check(signal, progress) {
      const { latestReadyRevision = "" } = await untilReady(store, { ...patience, signal }, progress);
      return shortName(latestReadyRevision);
    },
  };
}
