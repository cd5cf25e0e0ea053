import { Problem } from "../../base/errors.ts";
import { HttpError } from "../../base/http.ts";
import { type Kind, type KubeClient, type KubeObject, label, listAll, nameOf, RESOURCES } from "../../kube/mod.ts";
import { MANAGED_BY, MANAGED_BY_US, PART_OF, REGISTERED } from "../../registration/mod.ts";
import { isOurs, kubeObject } from "../kube_goals.ts";
import type { Goal } from "../step.ts";

/** Every kind that a registration has, in the order in which they are taken away: the Service first, for what follows it to stop. */
const KINDS = [
  "Service",
  "VirtualService",
  "HTTPRoute",
  "DestinationRule",
  "WorkloadEntry",
  "Sidecar",
  "PeerAuthentication",
] as const satisfies readonly Kind[];

/** Objects that this program made for the registration of that name, with all its regions. */
export async function ownObjects(
  kube: KubeClient,
  { namespace, name }: { namespace: string; name: string },
  signal?: AbortSignal,
): Promise<KubeObject[]> {
  const labelSelector = `${MANAGED_BY}=${MANAGED_BY_US}`;
  const lists = await Promise.all(KINDS.map(async (kind) => {
    try {
      return (await listAll(kube, { resource: RESOURCES[kind], namespace, labelSelector }, { signal })).items;
    } catch (error) {
      // The Gateway API is not everywhere, and not everybody's.
      const isMissing = error instanceof HttpError && (error.status === 404 || error.status === 403);
      if (kind === "HTTPRoute" && isMissing) return [];
      throw error;
    }
  }));
  return lists.flat().filter((object) => (label(object, PART_OF) ?? label(object, REGISTERED)) === name);
}

/**
 * The fields of `object` hold; the object is this program's alone.
 * @throws {Problem} one of that name is a person's, or another registration's: its fields would be taken for ours ever after
 */
export function ownObject(kube: KubeClient, object: KubeObject): Goal {
  return kubeObject(kube, object, { accept: (there) => refuseOthers(there, object) });
}

function refuseOthers(there: KubeObject, wanted: KubeObject): void {
  const wrong = (got: string) =>
    new Problem({ tried: `make ${nameOf(wanted)}`, got, fix: "rename or delete it, or register under another name" });
  if (!isOurs(there)) {
    const managers = [...new Set(there.metadata.managedFields?.map(({ manager }) => manager))].filter(Boolean);
    throw wrong(`there is one by ${managers.join(", ") || "somebody else"}`);
  }
  const whole = (object: KubeObject) => label(object, PART_OF) ?? label(object, REGISTERED);
  if (whole(there) !== whole(wanted)) throw wrong(`it is part of the registration ${whole(there)}`);
}
