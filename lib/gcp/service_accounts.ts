import { HttpError } from "../base/http.ts";
import { Problem } from "../base/errors.ts";
import { unlessMissing } from "../base/unless_missing.ts";
import { pause } from "../base/pause.ts";
import { googleCall, type GoogleRest, pathOf } from "./rest.ts";
import * as v from "valibot";

const text = v.optional(v.string(), "");

/** What is read of an account, https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts#ServiceAccount. */
const ServiceAccount = v.object({
  email: v.pipe(v.string(), v.minLength(1)),
  uniqueId: text,
  displayName: text,
  description: text,
  disabled: v.optional(v.boolean(), false),
});
export type ServiceAccount = v.InferOutput<typeof ServiceAccount>;

/** What an account is made with; Google takes 100 bytes of name and 256 of description. */
export interface NewServiceAccount {
  /** {@link isAccountId} */
  id: string;
  displayName: string;
  description: string;
}

/** The service accounts of a project. */
export interface ServiceAccounts {
  /** @returns `undefined` where there is none of that e-mail address */
  get(email: string, signal?: AbortSignal): Promise<ServiceAccount | undefined>;
  /**
   * Makes it, or takes the one that is there already, as it is. Resolves when reads show it.
   * @throws {Problem} refused, or not to be read within {@link VISIBLE_WITHIN_MS}
   */
  create(account: NewServiceAccount, signal?: AbortSignal): Promise<ServiceAccount>;
  /** One that is gone is no error. */
  delete(email: string, signal?: AbortSignal): Promise<void>;
}

/** What is new in IAM is everywhere after seconds, seldom a minute or more: https://cloud.google.com/iam/docs/access-change-propagation. */
export const VISIBLE_WITHIN_MS = 60_000;

/** Time, for tests. */
export interface PropagationClock {
  /** @default {performance.now} */
  now?: (() => number) | undefined;
  /** @default {pause} */
  wait?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

/** 6 to 30 characters of `[a-z]([-a-z0-9]*[a-z0-9])`. */
export function isAccountId(id: string): boolean {
  return /^[a-z](?:[-a-z0-9]{4,28})[a-z0-9]$/.test(id);
}

/** The e-mail address of an account that belongs to a project; `example.com:p` is the old form of a project's name. */
export function accountEmail(id: string, project: string): string {
  const [name, domain] = project.split(":").toReversed();
  return `${id}@${name}${domain ? `.${domain}` : ""}.iam.gserviceaccount.com`;
}

export function serviceAccounts(project: string, rest: GoogleRest, clock: PropagationClock = {}): ServiceAccounts {
  const parent = `v1/${pathOf("projects", project, "serviceAccounts")}`;
  const shared = { api: "iam.googleapis.com", project };
  const get: ServiceAccounts["get"] = async (email, signal) => {
    const reading = googleCall(ServiceAccount, {
      ...shared,
      what: `read service account ${email}`,
      path: `${parent}/${pathOf(email)}`,
      permission: "iam.serviceAccounts.get",
      signal,
    }, rest);
    return await unlessMissing(reading);
  };
  return {
    get,
    async create({ id, displayName, description }, signal) {
      const what = `make service account ${id} in project ${project}`;
      const email = accountEmail(id, project);
      try {
        await googleCall(ServiceAccount, {
          ...shared,
          what,
          path: parent,
          method: "POST",
          json: { accountId: id, serviceAccount: { displayName, description } },
          permission: "iam.serviceAccounts.create",
          signal,
        }, rest);
      } catch (error) {
        // Somebody was faster, or the answer to an earlier try was lost.
        if (!(error instanceof HttpError && error.status === 409)) throw error;
        const found = await get(email, signal);
        if (!found) throw error;
        return found;
      }
      return await propagated(what, async () => await get(email, signal), { ...clock, signal });
    },
    async delete(email, signal) {
      const deleting = googleCall(v.unknown(), {
        ...shared,
        what: `delete service account ${email}`,
        path: `${parent}/${pathOf(email)}`,
        method: "DELETE",
        permission: "iam.serviceAccounts.delete",
        signal,
      }, rest);
      await unlessMissing(deleting);
    },
  };
}

/**
 * Looks again and again until what was changed in IAM is seen.
 * @param look gives `undefined` for as long as it is not
 * @throws {Problem} not within {@link VISIBLE_WITHIN_MS}
 */
export async function propagated<T>(
  what: string,
  look: () => Promise<T | undefined>,
  { now = () => performance.now(), wait = pause, signal }: PropagationClock & { signal?: AbortSignal | undefined } = {},
): Promise<T> {
  const end = now() + VISIBLE_WITHIN_MS;
  for (let waitMs = 500;; waitMs = Math.min(waitMs * 2, 5_000)) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (now() + waitMs > end) {
      throw new Problem({
        tried: what,
        got: `it was done, and Google still does not show it after ${VISIBLE_WITHIN_MS / 1_000} s`,
        fix: "run this again in a minute",
      });
    }
    await wait(waitMs, signal);
  }
}
