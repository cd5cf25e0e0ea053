import { Problem, reasonOf, UsageError } from "../../base/errors.ts";
import { type GoogleRest, RUN_INVOKER, runServicePolicy } from "../../gcp/mod.ts";
import {
  annotation,
  get,
  keysOfOthers,
  type KubeClient,
  type KubeObject,
  label,
  nameOf,
  RESOURCES,
} from "../../kube/mod.ts";
import {
  AUTO_REGISTRATION_LABEL,
  INVOKER_ANNOTATION,
  isLabel,
  OWNER_ANNOTATION,
  PART_OF,
  REGISTERED,
  REGISTERED_BY_ANNOTATION,
} from "../../registration/mod.ts";
import type { AdminContext } from "../context.ts";
import { gateReports } from "../gate_reports.ts";
import { unbound } from "../iam_binding.ts";
import { isOurs, kubeObjectGone } from "../kube_goals.ts";
import type { Goal, Plan } from "../step.ts";
import { readGrants } from "./grants.ts";
import { ownObjects } from "./own_objects.ts";
import { releaseFix } from "./standing.ts";
import { takeable } from "./take_back.ts";
import { routesThatUse, type ServiceName } from "./users.ts";

export interface UnregisterSettings extends ServiceName {
  /** Whether to go on where it is in use. */
  force: boolean;
  /** Whether a role that was given is taken back. */
  invoker: boolean;
  gateNamespace: string;
  clusterDomain: string;
}

/**
 * What it takes to take a registration back: the role that it gave, what it made, and its words on a person's Service.
 * @throws {Problem} it is in use, without `force`; the gate registers it for somebody
 */
export async function unregisterService(
  settings: UnregisterSettings,
  context: AdminContext,
  { signal }: { signal: AbortSignal },
): Promise<Plan> {
  const { name, namespace, force } = settings;
  for (const text of [name, namespace]) {
    if (!isLabel(text)) throw new UsageError({ tried: `unregister ${name}`, got: JSON.stringify(text), fix: "a name" });
  }
  const kube = await context.kube();
  const [service, own] = await Promise.all([
    get(kube, RESOURCES.Service, namespace, name, signal),
    ownObjects(kube, { namespace, name }, signal),
  ]);
  const isAPersons = service !== undefined && !isOurs(service);
  const whole = service && !isAPersons ? label(service, PART_OF) : undefined;
  if (whole) {
    const fix = `cloud-run-mesh unregister-service ${whole} --namespace ${namespace}`;
    throw new Problem({ tried: `unregister ${namespace}/${name}`, got: `it is one region of ${whole}`, fix });
  }
  if (own.length === 0 && !isAPersons) {
    return { steps: [], warnings: [`nothing is registered as ${name} in namespace ${namespace}`] };
  }
  if (!force) refuseTheGates(own);

  const services = servicesOf(own, { name, namespace });
  const use = own.length > 0 ? await usesOf(kube, services, settings, signal) : { uses: [], warnings: [] };
  if (use.uses.length > 0 && !force) {
    throw new Problem({
      tried: `unregister ${namespace}/${name}`,
      got: `it is in use: ${use.uses.join(", ")}`,
      fix: "take that away first, or --force",
    });
  }
  const grants = settings.invoker && service ? readGrants(annotation(service, INVOKER_ANNOTATION)) : [];
  const back = await takeable(kube, grants, { name, namespace }, signal);
  // Without anything to take back nobody has to be signed in to Google.
  const rest = back.grants.length > 0 ? await context.rest("run") : undefined;
  const left = !force && isAPersons && await staysRegistered(kube, service, signal);
  const gone = own.filter((object) => nameOf(object) !== `Service ${namespace}/${name}`);
  return {
    steps: [
      ...takeBack(back.grants, rest),
      ...(service ? [kubeObjectGone(kube, service)] : []),
      ...(left ? gone.filter((object) => label(object, PART_OF) === name) : gone)
        .map((object) => kubeObjectGone(kube, object)),
    ],
    warnings: [
      ...(own.length === 0 && !annotation(service!, REGISTERED_BY_ANNOTATION)
        ? [`nothing is registered as ${name} in namespace ${namespace}`]
        : []),
      ...use.warnings,
      ...use.uses.map((use) => `it is in use: ${use}`),
      ...back.warnings,
      ...(left ? [`the gate goes on to register it for ${nameOf(service)}: ${releaseFix(nameOf(service))}`] : []),
    ],
  };
}

function takeBack(grants: ReturnType<typeof readGrants>, rest: GoogleRest | undefined): Goal[] {
  return rest
    ? grants.map(({ cloudRun, member }) => unbound(runServicePolicy(cloudRun, rest), RUN_INVOKER, member))
    : [];
}

/** What the gate made for somebody who still asks it to would be made again. */
function refuseTheGates(own: readonly KubeObject[]): void {
  for (const object of own) {
    const owner = annotation(object, OWNER_ANNOTATION);
    if (!owner) continue;
    const got = `the gate registers it for ${owner}`;
    throw new Problem({ tried: `remove ${nameOf(object)}`, got, fix: releaseFix(owner) });
  }
}

/** Whether a person's Service asks the gate for registration when our words are off it: then the rest is the gate's to keep. */
async function staysRegistered(kube: KubeClient, service: KubeObject, signal: AbortSignal): Promise<boolean> {
  if (!keysOfOthers(service, ["metadata", "labels"]).has(REGISTERED)) return false;
  const namespace = await get(kube, RESOURCES.Namespace, undefined, service.metadata.namespace!, signal);
  return namespace !== undefined && label(namespace, AUTO_REGISTRATION_LABEL) === "enabled";
}

/** The Service and those of its regions. */
function servicesOf(own: readonly KubeObject[], whole: ServiceName): ServiceName[] {
  const regional = own.filter(({ kind, metadata }) => kind === "Service" && metadata.name !== whole.name);
  return [whole, ...regional.map(({ metadata: { name } }) => ({ name, namespace: whole.namespace }))];
}

/** Who would miss it: routes by others' hands, and tunnels that are open. */
async function usesOf(
  kube: KubeClient,
  services: readonly ServiceName[],
  { gateNamespace, clusterDomain }: UnregisterSettings,
  signal: AbortSignal,
): Promise<{ uses: string[]; warnings: string[] }> {
  const [routes, reports] = await Promise.all([
    routesThatUse(kube, services, clusterDomain, signal),
    gateReports(kube, gateNamespace, signal).catch((error) => {
      signal.throwIfAborted();
      return reasonOf(error);
    }),
  ]);
  if (typeof reports === "string") {
    return { uses: routes.users, warnings: [...routes.warnings, `open tunnels were not looked at: ${reports}`] };
  }
  const names = new Set(services.map(({ name, namespace }) => `${namespace}/${name}`));
  const open = reports.flatMap(({ routes }) => routes)
    .filter(({ kind, service }) => kind === "tunnel" && names.has(service))
    .reduce((sum, { open }) => sum + open, 0);
  return { uses: [...routes.users, ...(open > 0 ? [`${open} open tunnels`] : [])], warnings: routes.warnings };
}
