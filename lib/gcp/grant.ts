import { HttpError } from "../base/http.ts";
import { Problem } from "../base/errors.ts";
import { editPolicy, type PolicyStore, withMember } from "./policy.ts";
import { propagated, type PropagationClock } from "./service_accounts.ts";

/**
 * Gives the member the role, without a condition. An account that was made seconds ago may not be known to policies yet: then it is tried
 * again for a minute, https://cloud.google.com/iam/docs/service-accounts-create#creating.
 * @param member `serviceAccount:EMAIL`
 * @throws {HttpError} refused  {Problem} there is no such account
 */
export async function grant(
  store: PolicyStore,
  role: string,
  member: string,
  options: PropagationClock & { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  let refusal: HttpError | undefined;
  const what = `grant ${role} to ${member} in the IAM policy of ${store.of}`;
  const tryIt = async () => {
    try {
      await editPolicy(store, (policy) => withMember(policy, role, member), options.signal);
      return true;
    } catch (error) {
      const isUnknown = error instanceof HttpError && error.status === 400 && /does not exist/.test(error.body);
      if (!isUnknown) throw error;
      refusal = error;
      return undefined;
    }
  };
  try {
    await propagated(what, tryIt, options);
  } catch (error) {
    if (!refusal || error instanceof HttpError || options.signal?.aborted) throw error;
    const account = member.replace(/^serviceAccount:/, "");
    const fix = `gcloud iam service-accounts describe ${account}; if it is there, run this again in a minute`;
    throw new Problem({ tried: what, got: refusal.got, fix, cause: error });
  }
}
