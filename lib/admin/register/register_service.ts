import { type GoogleRest, RUN_INVOKER, type RunService, runServicePolicy } from "../../gcp/mod.ts";
import { annotation, get, type KubeClient, type KubeObject, label, nameOf, RESOURCES } from "../../kube/mod.ts";
import {
  AUTO_REGISTRATION_LABEL,
  type CloudRunName,
  INVOKER_ANNOTATION,
  isHttp,
  type ServicePort,
} from "../../registration/mod.ts";
import type { AdminContext } from "../context.ts";
import { gateAddress } from "../gate_address.ts";
import { bound, unbound } from "../iam_binding.ts";
import { kubeObject, kubeObjectGone } from "../kube_goals.ts";
import type { Plan, Step } from "../step.ts";
import { type Desired, desiredOf, type FoundRegion } from "./desired.ts";
import { findInvokers, namespaceObject, runServices } from "./find.ts";
import { type Grant, grantsText, readGrants } from "./grants.ts";
import { type InvokerPlan, invokerPlan } from "./invokers.ts";
import { ownObject, ownObjects } from "./own_objects.ts";
import { readUrls, type RegionShare } from "./regions.ts";
import { routed } from "./routed.ts";
import { runWarnings } from "./run_warnings.ts";
import { checkSettings, type RegisterSettings } from "./settings.ts";
import { standingOf } from "./standing.ts";
import { takeable } from "./take_back.ts";
import type { Timing } from "../timing.ts";
import { targetOf } from "./target.ts";
import { DEFAULT_PORTS, leftAsItIs, othersWish, portsOf, saidOf, serviceOf } from "./told.ts";

/** What registers a service. */
export interface RegistrationPlan extends Plan {
  /** Of the Service that clients call. */
  ports: readonly ServicePort[];
  /** Of the steps those for the workload's own proxy: without them it has no listener for tunnels, whoever comes through one. */
  workload: ReadonlySet<Step>;
}

/** Kinds that istiod reads for the workload, not for who calls it. */
const WORKLOAD_KINDS: readonly string[] = ["PeerAuthentication", "Sidecar"];

/**
 * What it takes to make a Cloud Run service one of the mesh's, with what is there already. The settings are the whole wish: what a former
 * run was told and this one is not is taken back.
 * @throws {Problem} the service, the namespace or the gate is not there, or the name is somebody else's
 */
export async function registerService(
  settings: RegisterSettings,
  context: AdminContext,
  timing: Timing,
): Promise<RegistrationPlan> {
  const { name, namespace, gateNamespace } = settings;
  const { signal, timeoutMs, everyMs } = timing;
  const patience = { timeoutMs, everyMs };
  const shares = settings.regions.length > 0 ? settings.regions : [{ region: await context.region(), weight: 1 }];
  checkSettings(settings, shares);
  const urls = readUrls(settings.urls, shares.map(({ region }) => region));
  const [project, kube] = [await context.project(), await context.kube()];
  const names = shares.map(({ region }): CloudRunName => ({ project, region, service: settings.service ?? name }));

  const inNamespace = await namespaceObject(kube, namespace, signal);
  const standing = standingOf(await get(kube, RESOURCES.Service, namespace, name, signal));
  const own = await ownObjects(kube, { namespace, name }, signal);
  const others = othersWish(standing, names[0]!, settings);
  const elsewhere = settings.asBefore ? leftAsItIs(standing, own, names[0]!) : undefined;
  if (elsewhere) {
    return { workload: new Set(), steps: [], ports: others.ports ?? DEFAULT_PORTS, warnings: [elsewhere] };
  }
  const rest = await context.rest("run");
  const services = await runServices(names, rest, signal);
  const found = services.map((service, at) => ({
    name: names[at]!,
    service: { ...service, ...settings.soon },
    share: shares[at]!,
  }));
  const targets = found.map(({ name, service, share }) =>
    targetOf(service, name, {
      url: urls.get(share.region) ?? (settings.asBefore ? others.command?.url : undefined),
      audience: settings.audience ?? others.audience,
    })
  );
  const invokers = settings.invoker
    ? await findInvokers(found, { kube, rest, gateNamespace, given: settings.gateAccount, signal })
    : { member: undefined, regions: [], warnings: [] };
  const gateIp = settings.gateIp ?? (settings.asBefore ? others.command?.gateAddress : undefined);
  const address = gateIp ?? await gateAddress(kube, { ...timing, namespace: gateNamespace });

  const ports = portsOf(settings, standing, others);
  const [first, ...more] = found.map(({ name, service, share }, at) => regionOf(name, service, share, targets[at]!));
  const desired = desiredOf({
    name,
    namespace,
    regions: [first!, ...more],
    ports,
    service: standing.kind === "person's" ? serviceOf(standing.service, others) : undefined,
    gateAddress: address,
    isGateGiven: gateIp !== undefined,
    said: saidOf(settings, others),
    httpRoute: settings.httpRoute,
    clusterDomain: settings.clusterDomain,
  });
  const remembered = "service" in standing ? readGrants(annotation(standing.service, INVOKER_ANNOTATION)) : [];
  const granting = invokerPlan(remembered, invokers.member, invokers.regions);
  const back = await takeable(kube, granting.takeBack, { name, namespace }, signal);
  const wanted = new Set(
    [desired.service(undefined), ...desired.beside, ...desired.regional, ...desired.split].map(nameOf),
  );
  const isOptedIn = label(inNamespace, AUTO_REGISTRATION_LABEL) === "enabled";
  const { steps, workload } = stepsOf({
    kube,
    rest,
    isTheirs: standing.kind === "person's",
    desired,
    stale: own.filter((object) => !wanted.has(nameOf(object))),
    granting,
    takeBack: back.grants,
  });
  return {
    workload,
    ports,
    steps: [
      ...steps,
      routed(kube, { namespace: gateNamespace, routes: desired.routes, ...patience }),
    ],
    warnings: [
      ...found.flatMap(({ name, service }) => runWarnings(service, name, namespace)),
      ...new Set(targets.flatMap(({ warnings }) => warnings)),
      ...invokers.warnings,
      ...back.warnings,
    ],
    next: [
      ...ports.map((port) =>
        `call it from the mesh: ${isHttp(port) ? "http://" : ""}${name}.${namespace}:${port.port}`
      ),
      isOptedIn
        ? "the gate follows the service's URL, timeout and concurrency"
        : `after the service's timeout or concurrency has changed run this again, or let the gate follow it: ` +
          `kubectl label namespace ${namespace} ${AUTO_REGISTRATION_LABEL}=enabled`,
    ],
  };
}

/**
 * The grant is remembered before it is given, and taken back before it is forgotten. The regions' Services come before what leads to
 * them, and go after.
 */
function stepsOf(
  { kube, rest, isTheirs, desired, stale, granting, takeBack }: {
    kube: KubeClient;
    rest: GoogleRest;
    isTheirs: boolean;
    desired: Desired;
    stale: readonly KubeObject[];
    granting: InvokerPlan;
    takeBack: readonly Grant[];
  },
): { steps: Step[]; workload: Set<Step> } {
  const own = (object: KubeObject) => ownObject(kube, object);
  const workload = new Set<Step>();
  const made = [...desired.regional, ...desired.beside, ...desired.split].map((object) => {
    const goal = own(object);
    if (WORKLOAD_KINDS.includes(object.kind)) workload.add(goal);
    return goal;
  });
  const service = (grants: InvokerPlan["kept"]) => {
    const object = desired.service(grantsText(grants));
    return isTheirs ? kubeObject(kube, object) : own(object);
  };
  const steps = [
    service(granting.remembered),
    ...granting.give.map(({ cloudRun, member }) => bound(runServicePolicy(cloudRun, rest), RUN_INVOKER, member)),
    ...made,
    ...stale.map((object) => kubeObjectGone(kube, object)),
    ...takeBack.map(({ cloudRun, member }) => unbound(runServicePolicy(cloudRun, rest), RUN_INVOKER, member)),
    ...(granting.takeBack.length > 0 ? [service(granting.kept)] : []),
  ];
  return { steps, workload };
}

function regionOf(
  cloudRun: CloudRunName,
  { urls, timeoutMs, concurrency, appPort }: RunService,
  { weight }: RegionShare,
  { url: givenUrl, audience }: ReturnType<typeof targetOf>,
): FoundRegion {
  return { cloudRun, weight, url: urls[0], givenUrl, audience, timeoutMs, concurrency, appPort };
}
