import { HttpError } from "../../base/http.ts";
import {
  editPolicy,
  grant,
  hasMember,
  type Policy,
  type PolicyStore,
  RUN_INVOKER,
  withoutMember,
} from "../../gcp/mod.ts";
import { type CloudRunName, fullServiceName, parseServiceName } from "../../registration/mod.ts";
import type { Goal } from "../step.ts";

/** Somebody who may send requests to a Cloud Run service because a command let him. */
export interface Grant {
  cloudRun: CloudRunName;
  /** `serviceAccount:hgate@p.iam.gserviceaccount.com` */
  member: string;
}

/** Reads the annotation that remembers grants; what is not of its form is passed over. */
export function readGrants(text: string | undefined): Grant[] {
  return (text ?? "").split(",").flatMap((part) => {
    const [, name = "", member = ""] = /^\s*([^=\s]+)=(\S+:\S+)\s*$/.exec(part) ?? [];
    const cloudRun = parseServiceName(name);
    return cloudRun && name.startsWith("projects/") ? [{ cloudRun, member }] : [];
  });
}

/** What {@link readGrants} reads; `undefined` for none. */
export function grantsText(grants: readonly Grant[]): string | undefined {
  return grants.map(keyOf).join(",") || undefined;
}

/** Equal for the same grant. */
export function keyOf({ cloudRun, member }: Grant): string {
  return `${fullServiceName(cloudRun)}=${member}`;
}

/** Whether who has a Google account, or nobody, needs no role of his own. */
export function isForAll(policy: Policy): boolean {
  return ["allUsers", "allAuthenticatedUsers"].some((all) => hasMember(policy, RUN_INVOKER, all));
}

const PATH = `bindings[${RUN_INVOKER}].members`;

/** The member may send requests to the service. */
export function invoker(store: PolicyStore, member: string): Goal {
  return {
    subject: `IAM policy of ${store.of}`,
    async plan(signal) {
      if (hasMember(await store.read(signal), RUN_INVOKER, member)) return undefined;
      return {
        action: "update",
        differences: [{ path: PATH, to: member }],
        apply: (signal) => grant(store, RUN_INVOKER, member, { signal }),
      };
    },
  };
}

/** The member may no longer; a service that is gone has nothing to take back. */
export function invokerGone(store: PolicyStore, member: string): Goal {
  return {
    subject: `IAM policy of ${store.of}`,
    async plan(signal) {
      const policy = await unlessGone(store.read(signal));
      if (!policy || !hasMember(policy, RUN_INVOKER, member)) return undefined;
      return {
        action: "update",
        differences: [{ path: PATH, from: member }],
        apply: async (signal) =>
          void await unlessGone(editPolicy(store, (policy) => withoutMember(policy, RUN_INVOKER, member), signal)),
      };
    },
  };
}

async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return undefined;
    throw error;
  }
}
