import type { PolicyStore, ServiceAccounts } from "../../gcp/mod.ts";
import type { Goal } from "../step.ts";
import type { GoogleSide } from "./settings.ts";

/** Lets the account find the cluster and its addresses: container.clusters.get and .list, resourcemanager.projects.get. */
export const VIEWER = "roles/container.clusterViewer";

/** The Google APIs that a set-up needs. */
export interface GoogleApis {
  accounts: ServiceAccounts;
  policy: PolicyStore;
}

export const memberOf = (email: string) => `serviceAccount:${email}`;

/** What an account that this program made says of itself; only such a one is ever deleted. */
export const markerOf = (namespace: string) => `Made by cloud-run-mesh for namespace ${namespace}`;

/** The account is there; one that a person made is taken as it is. */
export function accountMade(
  { accounts }: GoogleApis,
  { email, accountId }: Pick<GoogleSide, "email" | "accountId">,
  namespace: string,
): Goal {
  return {
    subject: `Google service account ${email}`,
    async plan(signal) {
      if (await accounts.get(email, signal)) return undefined;
      const description = markerOf(namespace);
      return {
        action: "create",
        differences: [{ path: "description", to: description }],
        async apply(signal) {
          const displayName = `Cloud Run in namespace ${namespace}`.slice(0, 100);
          await accounts.create({ id: accountId ?? email.split("@")[0]!, displayName, description }, signal);
        },
      };
    },
  };
}

/** The account is gone, if this program made it. */
export function accountGone({ accounts }: GoogleApis, email: string, namespace: string): Goal {
  return {
    subject: `Google service account ${email}`,
    async plan(signal) {
      const seen = await accounts.get(email, signal);
      if (seen?.description !== markerOf(namespace)) return undefined;
      return { action: "delete", differences: [], apply: async (signal) => await accounts.delete(email, signal) };
    },
  };
}
