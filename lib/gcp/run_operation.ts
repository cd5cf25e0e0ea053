import { Problem } from "../base/errors.ts";
import { pause } from "../base/pause.ts";
import { googleCall, type GoogleRest } from "./rest.ts";
import { RunOperation } from "./run_resource.ts";

/** How a change of Cloud Run is waited for. */
export interface RunWait {
  signal?: AbortSignal | undefined;
  /** From the change's acceptance to its end. @default {300000} */
  timeoutMs?: number | undefined;
  /** Between two looks at the operation; the first come sooner. @default {2000} */
  pollMs?: number | undefined;
}

/** What a change came to, as an error with Cloud Run's own words. */
export class RunOperationError extends Problem {
  override name = "RunOperationError";
  /** @param code of google.rpc.Code, `undefined` where it was not done in time */
  constructor(details: { tried: string; got: string; fix?: string | undefined }, readonly code: number | undefined) {
    super(details);
  }
}

const FIRST_POLL_MS = 50;

/**
 * Looks at an operation until it is done, https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.operations/get.
 * @param what the start of every error message: `deploy Cloud Run service web`
 * @throws {RunOperationError} it failed, or is not done in time: then it goes on at Google's
 */
export async function untilDone(
  operation: RunOperation,
  { what, project }: { what: string; project: string },
  rest: GoogleRest,
  { signal, timeoutMs = 300_000, pollMs = 2_000 }: RunWait,
): Promise<RunOperation> {
  const until = performance.now() + timeoutMs;
  let seen = operation;
  for (let waitMs = Math.min(pollMs, FIRST_POLL_MS); !seen.done; waitMs = Math.min(pollMs, waitMs * 1.5)) {
    if (performance.now() >= until) {
      const fix = "run this again with a longer --timeout; what was begun goes on meanwhile";
      throw new RunOperationError(
        { tried: what, got: `not done after ${Math.round(timeoutMs / 1_000)} s`, fix },
        undefined,
      );
    }
    await pause(waitMs, signal);
    seen = await googleCall(RunOperation, {
      what: `${what}: see how far it is`,
      api: "run.googleapis.com",
      project,
      path: `v2/${operation.name}`,
      permission: "run.operations.get",
      signal,
    }, rest);
  }
  if (!seen.error) return seen;
  const { code, message = "an error without a message" } = seen.error;
  throw new RunOperationError({ tried: what, got: message, fix: fixFor(message, project) }, code);
}

/** What is in the way of a revision that does not get ready, by Cloud Run's own words. */
function fixFor(message: string, project: string): string | undefined {
  if (/failed to start and listen|startup probe|health check/i.test(message)) {
    const revision = /\bRevision '([^']+)'/.exec(message)?.[1];
    const which = revision ? `resource.labels.revision_name="${revision}"` : "resource.type=cloud_run_revision";
    return `look at what its containers say: gcloud logging read '${which}' --project ${project} --limit 50`;
  }
  if (/image .*(not found|does not exist)|Image '.*' not found/i.test(message)) return "check the image's name";
  if (/secret/i.test(message)) return "grant the service's account roles/secretmanager.secretAccessor on the secret";
  return undefined;
}
