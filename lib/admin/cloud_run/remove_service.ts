import { Problem } from "../../base/errors.ts";
import type { RunPlace } from "../../gcp/mod.ts";
import { get, type KubeClient, RESOURCES } from "../../kube/mod.ts";
import { fullServiceName } from "../../registration/mod.ts";
import type { AdminContext } from "../context.ts";
import { ownObjects } from "../register/own_objects.ts";
import { registeredFor } from "../register/registered_for.ts";
import { unregisterService } from "../register/unregister_service.ts";
import type { ServiceName } from "../register/users.ts";
import type { Plan } from "../step.ts";
import type { Timing } from "../timing.ts";
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
  const store = await storeOf(context, name);
  const service = await store.read(timing.signal);
  const namespace = namespaceFor(service, settings.namespace);
  const others = await otherRegions(await context.kube(), { name, namespace }, store.place, timing.signal);
  if (others.length > 0 && !force) refuseOne(settings, namespace, store.place, others);
  const registration: Plan = others.length > 0
    ? { steps: [], warnings: [`${namespace}/${name} stays registered for ${others.join(" and ")}`] }
    : await unregisterService(
      { name, namespace, force, invoker: true, gateNamespace, clusterDomain },
      context,
      timing,
    );
  const patience = { timeoutMs: timing.timeoutMs, pollMs: timing.everyMs };
  const isOther = service !== undefined && !formerOf(service) && krunOf(service.template ?? {}) !== undefined;
  return {
    steps: [
      ...registration.steps,
      ...(service ? [restored(store, { force }, patience), revisionReady(store, patience)] : []),
    ],
    warnings: [
      ...(service ? [] : [`there is no ${store.of} of project ${store.place.project}`]),
      ...registration.warnings ?? [],
      ...(isOther ? [`${store.of} has krun in front and no record of what it was before: it is left as it is`] : []),
    ],
    ...(registration.next ? { next: registration.next } : {}),
  };
}

/** Regions other than this service's to which a registration leads; none where it leads to this one alone, or there is none. */
async function otherRegions(
  kube: KubeClient,
  { name, namespace }: ServiceName,
  place: RunPlace,
  signal: AbortSignal,
): Promise<string[]> {
  const [service, own] = await Promise.all([
    get(kube, RESOURCES.Service, namespace, name, signal),
    ownObjects(kube, { namespace, name }, signal),
  ]);
  return registeredFor(service, own).filter((other) => fullServiceName(other) !== fullServiceName(place))
    .map(({ region }) => region);
}

/** The requests that the mesh leads to this region would fail; those of the others are not to. */
function refuseOne({ name }: RemoveServiceSettings, namespace: string, { region }: RunPlace, others: string[]): never {
  const regions = others.map((region) => `--region ${region}`).join(" ");
  throw new Problem({
    tried: `take Cloud Run service ${name} in ${region} out of the mesh`,
    got: `${namespace}/${name} is registered for ${others.join(" and ")} too, or for that alone`,
    fix: `cloud-run-mesh register-service ${name} --namespace ${namespace} ${regions}, then this with --force`,
  });
}
