import type { KubeObject } from "../../kube/mod.ts";
import { MANAGED_BY, MANAGED_BY_US } from "../../registration/mod.ts";
import type { NamespaceSettings } from "./settings.ts";

/** Config map of the namespace in which its set-up is written down: the first that is made in it, and the last that goes. */
export const RECORD = "cloud-run-mesh-namespace";

/**
 * How a namespace was set up, for what takes it back. What is done outside of the cluster is written down before it is done: a run that is
 * killed anywhere leaves a record of all that it may have done.
 */
export interface NamespaceRecord {
  user: string;
  serviceAccount: string;
  /** `undefined` off Google Cloud. */
  google: {
    project: string;
    /** Made by this program, which its own description says too. */
    isAccountMade: boolean;
    email: string;
    /** Given by this program. */
    isRoleGranted: boolean;
  } | undefined;
}

/** What holds outside of the cluster before anything is done. */
export interface GoogleFacts {
  isAccountThere: boolean;
  /** Whether the account has the role by a binding that is there; also where it is not to be granted. */
  hasRole: boolean;
}

/** What the record has to say: what an earlier run meant to do, and what this one will. */
export function recordOf(
  { user, serviceAccount, google }: NamespaceSettings,
  before: NamespaceRecord | undefined,
  facts: GoogleFacts,
): NamespaceRecord {
  return {
    user,
    serviceAccount,
    google: google && {
      project: google.project,
      email: google.email,
      isAccountMade: before?.google?.isAccountMade || (google.accountId !== undefined && !facts.isAccountThere),
      isRoleGranted: before?.google?.isRoleGranted || !facts.hasRole,
    },
  };
}

/** In which an earlier set-up was another: `user`, `ksa`, `project`; `undefined` where it was the same. */
export function otherSetUp(record: NamespaceRecord, settings: NamespaceSettings): string | undefined {
  const pairs: [name: string, then: string | undefined, now: string | undefined][] = [
    ["project", record.google?.project, settings.google?.project],
    [settings.google ? "service account" : "user", record.user, settings.user],
    ["Kubernetes service account", record.serviceAccount, settings.serviceAccount],
  ];
  const other = pairs.find(([, then, now]) => then !== now);
  return other && `${other[0]} ${other[1] ?? "(none)"}`;
}

export function recordObject(namespace: string, { user, serviceAccount, google }: NamespaceRecord): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: RECORD, namespace, labels: { [MANAGED_BY]: MANAGED_BY_US } },
    data: {
      user,
      serviceAccount,
      ...(google
        ? {
          project: google.project,
          email: google.email,
          accountMade: String(google.isAccountMade),
          roleGranted: String(google.isRoleGranted),
        }
        : {}),
    },
  };
}

/** @returns `undefined` where there is none, or not a whole one */
export function readRecord(object: KubeObject | undefined): NamespaceRecord | undefined {
  const { user, serviceAccount, project, email, accountMade, roleGranted } = (object?.["data"] ?? {}) as Record<
    string,
    string | undefined
  >;
  if (!user || !serviceAccount) return undefined;
  return {
    user,
    serviceAccount,
    google: project && email
      ? { project, email, isAccountMade: accountMade === "true", isRoleGranted: roleGranted === "true" }
      : undefined,
  };
}
