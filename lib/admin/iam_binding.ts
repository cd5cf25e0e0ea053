import { unlessMissing } from "../base/unless_missing.ts";
import { editPolicy, grant, hasMember, type PolicyStore, withoutMember } from "../gcp/mod.ts";
import type { Goal } from "./step.ts";

/** The member has the role, without a condition. */
export function bound(store: PolicyStore, role: string, member: string): Goal {
  return {
    subject: subjectOf(store, role, member),
    async plan(signal) {
      if (hasMember(await store.read(signal), role, member)) return undefined;
      return {
        action: "create",
        differences: [{ path: pathOf(role), to: member }],
        apply: (signal) => grant(store, role, member, { signal }),
      };
    },
  };
}

/**
 * The member has the role no longer, unless by a binding with a condition, which a person made. What is gone has nothing to take back.
 */
export function unbound(store: PolicyStore, role: string, member: string): Goal {
  return {
    subject: subjectOf(store, role, member),
    async plan(signal) {
      const policy = await unlessMissing(store.read(signal));
      if (!policy || !hasMember(policy, role, member)) return undefined;
      return {
        action: "delete",
        differences: [{ path: pathOf(role), from: member }],
        apply: async (signal) =>
          void await unlessMissing(editPolicy(store, (policy) => withoutMember(policy, role, member), signal)),
      };
    },
  };
}

const pathOf = (role: string) => `bindings[${role}].members`;

function subjectOf({ of }: PolicyStore, role: string, member: string): string {
  return `IAM binding of ${role} to ${member.replace(/^serviceAccount:/, "")} on ${of}`;
}
