import { hasMember, type Policy, RUN_INVOKER } from "../../gcp/mod.ts";
import { type CloudRunName, fullServiceName, parseServiceName } from "../../registration/mod.ts";

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
