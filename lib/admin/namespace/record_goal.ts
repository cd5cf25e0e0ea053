import { hasMember } from "../../gcp/mod.ts";
import { get, type KubeClient, RESOURCES } from "../../kube/mod.ts";
import { kubeObject } from "../kube_goals.ts";
import type { Goal } from "../step.ts";
import { type GoogleApis, memberOf, VIEWER } from "./google_goals.ts";
import { type GoogleFacts, type NamespaceRecord, readRecord, RECORD, recordObject, recordOf } from "./record.ts";
import type { NamespaceSettings } from "./settings.ts";

/** What an earlier run has written down. */
export async function storedRecord(
  kube: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<NamespaceRecord | undefined> {
  return readRecord(await get(kube, RESOURCES.ConfigMap, namespace, RECORD, signal));
}

/** The record says what is about to be done outside of the cluster; `google` as far as the settings have such a side. */
export function recordKept(kube: KubeClient, settings: NamespaceSettings, google: GoogleApis | undefined): Goal {
  const { namespace } = settings;
  return {
    subject: `ConfigMap ${namespace}/${RECORD}`,
    async plan(signal) {
      const before = await storedRecord(kube, namespace, signal);
      const facts = await factsOf(settings, google, signal);
      return await kubeObject(kube, recordObject(namespace, recordOf(settings, before, facts))).plan(signal);
    },
  };
}

async function factsOf(
  { google }: NamespaceSettings,
  apis: GoogleApis | undefined,
  signal: AbortSignal,
): Promise<GoogleFacts> {
  if (!google || !apis) return { isAccountThere: true, hasRole: true };
  const [account, policy] = await Promise.all([
    google.accountId === undefined ? true : apis.accounts.get(google.email, signal),
    google.grants ? apis.policy.read(signal) : undefined,
  ]);
  const hasRole = policy === undefined || hasMember(policy, VIEWER, memberOf(google.email));
  return { isAccountThere: account !== undefined, hasRole };
}
