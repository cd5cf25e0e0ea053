import type { AdminContext } from "../context.ts";
import { unregisterService } from "../register/unregister_service.ts";
import type { Timing } from "../register/register_service.ts";
import type { Plan } from "../step.ts";
import { restored } from "./goals.ts";
import { krunOf } from "./mesh_template.ts";
import { namespaceFor, storeOf } from "./place.ts";
import { revisionReady } from "./ready.ts";
import { formerOf } from "./record.ts";

export interface RemoveServiceSettings {
  /** Of the Cloud Run service, and in the mesh. */
  name: string;
  namespace?: string | undefined;
  /** Whether to go on where it is in use, or was changed since. */
  force: boolean;
  gateNamespace: string;
  clusterDomain: string;
}

/**
 * What takes `add-service` back: the registration, then krun's container; the service gets its former template and traffic.
 * @throws {Problem} it is in use, or was changed since, without `force`
 */
export async function removeService(
  settings: RemoveServiceSettings,
  context: AdminContext,
  timing: Timing,
): Promise<Plan> {
  const { name, force, gateNamespace, clusterDomain } = settings;
  const { store } = await storeOf(context, name);
  const service = await store.read(timing.signal);
  const namespace = namespaceFor(service, settings.namespace);
  const registration = await unregisterService(
    { name, namespace, force, invoker: true, gateNamespace, clusterDomain },
    context,
    timing,
  );
  const { timeoutMs } = timing;
  const isOther = service !== undefined && !formerOf(service) && krunOf(service.template ?? {}) !== undefined;
  return {
    steps: [
      ...registration.steps,
      ...(service ? [restored(store, { force }, { timeoutMs }), revisionReady(store, { timeoutMs })] : []),
    ],
    warnings: [
      ...registration.warnings ?? [],
      ...(isOther ? [`${store.of} has krun in front and no record of what it was before: it is left as it is`] : []),
    ],
    ...(registration.next ? { next: registration.next } : {}),
  };
}
