import { UsageError } from "../base/errors.ts";
import { annotation, get, type KubeClient, RESOURCES } from "../kube/mod.ts";

/** ServiceAccount of the gate, as manifests/hgate has it. */
const GATE_SERVICE_ACCOUNT = "hgate";

/** https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#kubernetes-sa-to-iam */
const GOOGLE_ACCOUNT = "iam.gke.io/gcp-service-account";

/**
 * Whom the gate is to Cloud Run, as a member of IAM policies: the Google account that its ServiceAccount is linked to. Without that link
 * there is none to give a role to: the metadata server has ID tokens of Google accounts alone, and Cloud Run takes nothing else.
 * @returns `undefined` where it is not linked
 */
export async function gateMember(
  kube: KubeClient,
  namespace: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const account = await get(kube, RESOURCES.ServiceAccount, namespace, GATE_SERVICE_ACCOUNT, signal);
  const email = account && annotation(account, GOOGLE_ACCOUNT);
  return email ? memberOf(email) : undefined;
}

/** An e-mail, or a member in IAM's own words: `principal://…`. @throws {UsageError} another form */
export function memberOf(account: string): string {
  if (/^[^\s:,=@]+@[^\s:,=@]+$/.test(account)) return `serviceAccount:${account}`;
  if (/^(?:serviceAccount|user|group|principal|principalSet):[^\s,=]+$/.test(account)) return account;
  throw new UsageError({
    tried: "read the gate's account",
    got: JSON.stringify(account),
    fix: "--gate-account NAME@PROJECT.iam.gserviceaccount.com",
  });
}
