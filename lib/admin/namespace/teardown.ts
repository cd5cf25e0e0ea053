import { Problem } from "../../base/errors.ts";
import { get, type KubeClient, RESOURCES } from "../../kube/mod.ts";
import { unbound } from "../iam_binding.ts";
import { isOurs, kubeObjectGone } from "../kube_goals.ts";
import type { Goal, Plan } from "../step.ts";
import { accountUses, type ServicesOf } from "./account_uses.ts";
import { accountGone, type GoogleApis, markerOf, memberOf, VIEWER } from "./google_goals.ts";
import { usesOf } from "./in_use.ts";
import { namespaceGone } from "./namespace_goals.ts";
import { namespaceObjects, serviceAccountObject } from "./objects.ts";
import { type NamespaceRecord, RECORD } from "./record.ts";
import { storedRecord } from "./record_goal.ts";
import type { NamespaceSettings } from "./settings.ts";

export interface TeardownPlace {
  kube: KubeClient;
  /** Asked only where the set-up had a Google side. */
  googleOf(project: string): Promise<GoogleApis>;
  servicesOf: ServicesOf;
}

/**
 * Takes a set-up back, in reverse order, as its record says. Without a record there is nothing outside of the namespace.
 * @throws {Problem} it is still in use, without `force`
 */
export async function tearDownNamespace(
  namespace: string,
  place: TeardownPlace,
  { force, timeoutMs, signal }: { force: boolean; timeoutMs: number; signal: AbortSignal },
): Promise<Plan> {
  const { kube } = place;
  const [seen, record] = await Promise.all([
    get(kube, RESOURCES.Namespace, undefined, namespace, signal),
    storedRecord(kube, namespace, signal),
  ]);
  if (!seen) return { steps: [namespaceGone(kube, namespace, { timeoutMs })], next: [leftBehind(namespace)] };
  const apis = record?.google ? await place.googleOf(record.google.project) : undefined;
  const uses = [
    ...await usesOf(kube, seen, signal),
    ...(record?.google?.isAccountMade && apis
      ? await accountUses(record.google, apis, place.servicesOf, namespace, signal)
      : []),
  ];
  if (uses.length > 0 && !force) {
    throw new Problem({
      tried: `take back the set-up of namespace ${namespace}`,
      got: `it is still in use:\n${uses.map((use) => `    ${use}`).join("\n")}`,
      fix: "end these uses, or --force",
    });
  }
  return {
    steps: [
      ...(record ? recordedSteps(kube, namespace, record, apis) : []),
      namespaceGone(kube, namespace, { timeoutMs }),
    ],
    warnings: uses,
    next: isOurs(seen) ? [] : [`namespace ${namespace} was there before, and stays`],
  };
}

/** The record went with a namespace that a person deleted. */
function leftBehind(namespace: string): string {
  const filter = `description="${markerOf(namespace)}"`;
  return `if it was deleted by hand, its account may be left: gcloud iam service-accounts list --filter '${filter}'`;
}

/** What was set up, the last first; the record is the last that goes. */
function recordedSteps(
  kube: KubeClient,
  namespace: string,
  { user, serviceAccount, google }: NamespaceRecord,
  apis: GoogleApis | undefined,
): Goal[] {
  const settings: NamespaceSettings = {
    namespace,
    serviceAccount,
    user,
    revision: undefined,
    google: google && { ...google, accountId: undefined, grants: google.isRoleGranted },
  };
  const objects = [
    ...(serviceAccount === "default" ? [] : [serviceAccountObject(settings)]),
    ...namespaceObjects(settings, { hasRootNamespace: true }),
  ];
  return [
    ...(google?.isRoleGranted && apis ? [unbound(apis.policy, VIEWER, memberOf(google.email))] : []),
    ...objects.toReversed().map((object) => kubeObjectGone(kube, object)),
    ...(google?.isAccountMade && apis ? [accountGone(apis, google.email, namespace)] : []),
    kubeObjectGone(kube, { kind: "ConfigMap", metadata: { name: RECORD, namespace } }),
  ];
}
