import { HttpError } from "../base/http.ts";
import { pause } from "../base/pause.ts";
import { Problem } from "../base/errors.ts";
import * as v from "valibot";

/** An IAM policy as it came, with all that is not looked at here: https://cloud.google.com/iam/docs/reference/rest/v1/Policy. */
export const Policy = v.looseObject({
  version: v.optional(v.number()),
  etag: v.optional(v.string()),
  bindings: v.optional(
    v.array(v.looseObject({
      role: v.string(),
      members: v.optional(v.array(v.string()), []),
      condition: v.optional(v.looseObject({})),
    })),
    [],
  ),
});
export type Policy = v.InferOutput<typeof Policy>;

/** The version that policies with conditions have; asked for and written always, else conditions would be lost. */
export const POLICY_VERSION = 3;

/** Where one policy is read and written. */
export interface PolicyStore {
  /** For people: `project p1`, `Cloud Run service web`. */
  readonly of: string;
  read(signal?: AbortSignal): Promise<Policy>;
  /** @throws {HttpError} 409 when the etag is no longer the policy's */
  write(policy: Policy, signal?: AbortSignal): Promise<void>;
}

/** Whether the member has the role without any condition. */
export function hasMember(policy: Policy, role: string, member: string): boolean {
  return policy.bindings.some((binding) =>
    binding.role === role && !binding.condition && binding.members.includes(member)
  );
}

/** With the member in the role's binding that has no condition; every other binding as it is. */
export function withMember(policy: Policy, role: string, member: string): Policy {
  if (hasMember(policy, role, member)) return policy;
  const at = policy.bindings.findIndex((binding) => binding.role === role && !binding.condition);
  const bindings = at < 0
    ? [...policy.bindings, { role, members: [member] }]
    : policy.bindings.with(at, { ...policy.bindings[at]!, members: [...policy.bindings[at]!.members, member] });
  return { ...policy, bindings };
}

/** Without the member in the role's binding that has no condition; a binding that is empty by it goes. */
export function withoutMember(policy: Policy, role: string, member: string): Policy {
  if (!hasMember(policy, role, member)) return policy;
  const bindings = policy.bindings.flatMap((binding) => {
    if (binding.role !== role || binding.condition || !binding.members.includes(member)) return [binding];
    const members = binding.members.filter((other) => other !== member);
    return members.length > 0 ? [{ ...binding, members }] : [];
  });
  return { ...policy, bindings };
}

const TRIES = 10;

/**
 * Changes a policy though others change it at the same time: read, change, write with the etag, and from the start when that is stale.
 * @param change gives the same policy where nothing is to be done
 */
export async function editPolicy(
  store: PolicyStore,
  change: (policy: Policy) => Policy,
  signal?: AbortSignal,
): Promise<void> {
  for (let tries = 1;; tries++) {
    const before = await store.read(signal);
    const after = change(before);
    if (after === before) return;
    try {
      return await store.write({ ...after, version: POLICY_VERSION }, signal);
    } catch (error) {
      if (!(error instanceof HttpError && error.status === 409)) throw error;
      if (tries === TRIES) {
        throw new Problem({
          tried: `change the IAM policy of ${store.of}`,
          got: `somebody else changed it at the same time, ${TRIES} times in a row`,
          fix: "find who changes it all the time, then run this again",
          cause: error,
        });
      }
      await pause(Math.random() * 100 * 2 ** Math.min(tries, 5), signal);
    }
  }
}
