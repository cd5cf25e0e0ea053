import { type GoogleApis, markerOf, memberOf, VIEWER } from "./google_goals.ts";

/** Names of Cloud Run services that run as an account, as far as they can be seen. */
export type ServicesOf = (email: string, project: string, signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Why an account that this program made is not to be deleted yet: roles that others gave it in the project, services that run as it.
 * @param account as the namespace's record has it
 */
export async function accountUses(
  { email, project, isRoleGranted }: { email: string; project: string; isRoleGranted: boolean },
  { accounts, policy }: GoogleApis,
  servicesOf: ServicesOf,
  namespace: string,
  signal: AbortSignal,
): Promise<string[]> {
  const account = await accounts.get(email, signal);
  if (account?.description !== markerOf(namespace)) return [];
  const [{ bindings }, services] = await Promise.all([policy.read(signal), servicesOf(email, project, signal)]);
  const roles = bindings.filter(({ role, members, condition }) =>
    members.includes(memberOf(email)) && !(isRoleGranted && role === VIEWER && !condition)
  );
  const command = (role: string) =>
    `gcloud projects remove-iam-policy-binding ${project} --member ${memberOf(email)} --role ${role} --all`;
  return [
    ...services.map((service) => `Cloud Run service ${service} runs as ${email}`),
    ...roles.map(({ role }) => `${email} was given ${role}: ${command(role)}`),
  ];
}
