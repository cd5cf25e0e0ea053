import type { KubeClient } from "../../kube/mod.ts";
import { bindingCommand } from "./find.ts";
import type { Grant } from "./grants.ts";
import { registrationsOf, type ServiceName } from "./users.ts";

/** Of grants that were given by us, those that nobody else lives by. */
export async function takeable(
  kube: KubeClient,
  grants: readonly Grant[],
  of: ServiceName,
  signal: AbortSignal,
): Promise<{ grants: Grant[]; warnings: string[] }> {
  const found = await Promise.all(grants.map(async (grant) => ({
    grant,
    users: await registrationsOf(kube, grant.cloudRun, of, signal),
  })));
  return {
    grants: found.filter(({ users }) => users.length === 0).map(({ grant }) => grant),
    warnings: found.filter(({ users }) => users.length > 0).map(({ grant: { cloudRun, member }, users }) =>
      `${member} may still send requests to ${cloudRun.service} in ${cloudRun.region}, for ${
        users.join(", ")
      }; to end ` +
      `that:\n${bindingCommand("remove", cloudRun, member)}`
    ),
  };
}
