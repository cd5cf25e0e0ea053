import { Problem } from "../../base/errors.ts";
import { type GoogleRest, RUN_INVOKER, type RunService, runServicePolicy } from "../../gcp/mod.ts";
import { annotation, get, type KubeClient, type KubeObject, label, nameOf, RESOURCES } from "../../kube/mod.ts";
import {
  AUDIENCE_ANNOTATION,
  AUTO_REGISTRATION_LABEL,
  type CloudRunName,
  fullServiceName,
  INVOKER_ANNOTATION,
  isHttp,
  REGISTERED,
  type ServicePort,
  type Wish,
  wishOf,
} from "../../registration/mod.ts";
import type { AdminContext } from "../context.ts";
import { gateAddress } from "../gate_address.ts";
import { bound, unbound } from "../iam_binding.ts";
import { kubeObject, kubeObjectGone } from "../kube_goals.ts";
import type { Plan, Step } from "../step.ts";
import { type Desired, desiredOf, type Found, type FoundRegion } from "./desired.ts";
import { findInvokers, namespaceObject, runRest, runServices } from "./find.ts";
import { type Grant, grantsText, readGrants } from "./grants.ts";
import { type InvokerPlan, invokerPlan } from "./invokers.ts";
import { ownObject, ownObjects } from "./own_objects.ts";
import { registeredFor } from "./registered_for.ts";
import { readUrls, type RegionShare } from "./regions.ts";
import { routed } from "./routed.ts";
import { runWarnings } from "./run_warnings.ts";
import { checkSettings, type RegisterSettings } from "./settings.ts";
import { asOthersSay, type Standing, standingOf } from "./standing.ts";
import { takeable } from "./take_back.ts";
import { targetOf } from "./target.ts";

export interface Timing {
  signal: AbortSignal;
  /** For each thing that is waited for. */
  timeoutMs: number;
  /** Told what is waited for. */
  progress: (text: string) => void;
}

/** What registers a service. */
export interface RegistrationPlan extends Plan {
  /** Of the Service that clients call. */
  ports: readonly ServicePort[];
  /** Of the steps those for the workload's own proxy: without them it has no listener for tunnels, whoever comes through one. */
  workload: ReadonlySet<Step>;
}

/** Kinds that istiod reads for the workload, not for who calls it. */
const WORKLOAD_KINDS: readonly string[] = ["PeerAuthentication", "Sidecar"];

const DEFAULT_PORTS: readonly ServicePort[] = [{ name: "http", port: 8080 }];

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
  const { signal } = timing;
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
  const rest = await runRest(context);
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
      routed(kube, { namespace: gateNamespace, routes: desired.routes, timeoutMs: timing.timeoutMs }),
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

/** A registration that leads elsewhere, or there too, is not turned to one region by the way. @returns why it stays as it is */
function leftAsItIs(standing: Standing, own: readonly KubeObject[], cloudRun: CloudRunName): string | undefined {
  const service = "service" in standing ? standing.service : undefined;
  const registered = registeredFor(service, own);
  const isThisAlone = registered.every((other) => fullServiceName(other) === fullServiceName(cloudRun));
  if (isThisAlone || !service) return undefined;
  const { name, namespace } = service.metadata;
  const regions = registered.map(({ region }) => region);
  const all = [...new Set([...regions, cloudRun.region])].map((region) => `--region ${region}`).join(" ");
  return `${nameOf(service)} is registered for ${regions.join(" and ")}, and stays so; for all of them:\n` +
    `cloud-run-mesh register-service ${name} --namespace ${namespace} ${all}`;
}

/** What annotations by other hands, and by a former run where that counts, say. @throws {Problem} they cannot be read */
function othersWish(standing: Standing, cloudRun: CloudRunName, { asBefore }: RegisterSettings): Partial<Wish> {
  if (standing.kind === "none") return {};
  const service = asBefore ? standing.service : asOthersSay(standing.service);
  const wish = wishOf(service, cloudRun);
  if (typeof wish !== "string") return { ...wish, audience: annotation(service, AUDIENCE_ANNOTATION) };
  throw new Problem({
    tried: `register by ${nameOf(service)}`,
    got: wish,
    fix: `kubectl -n ${service.metadata.namespace} edit service ${service.metadata.name}`,
  });
}

function saidOf(settings: RegisterSettings, others: Partial<Wish>): Found["said"] {
  return {
    workload: settings.workload ?? others.workload,
    serviceAccount: settings.serviceAccount ?? others.serviceAccount,
    maxStreams: settings.maxStreams ?? others.maxStreams,
    maxConnectionMs: settings.maxConnectionMs ?? others.maxConnectionMs,
  };
}

/** A person's Service is labelled by us where it is not by him. */
function serviceOf(service: KubeObject, others: Partial<Wish>): Found["service"] {
  const { name } = service.metadata;
  return { selector: others.service?.selector, isLabelled: (label(service, REGISTERED) ?? name) === name };
}

/** @throws {Problem} a person's Service has others than were asked for */
function portsOf(settings: RegisterSettings, standing: Standing, others: Partial<Wish>): readonly ServicePort[] {
  const asked = settings.ports;
  if (standing.kind !== "person's") return asked ?? (settings.asBefore ? others.ports : undefined) ?? DEFAULT_PORTS;
  const theirs = others.ports ?? [];
  const textOf = (ports: readonly ServicePort[]) => ports.map(({ name, port }) => `${name}=${port}`).sort().join(" ");
  if (!asked || textOf(asked) === textOf(theirs)) return theirs;
  throw new Problem({
    tried: `register by ${nameOf(standing.service)} with the ports ${textOf(asked)}`,
    got: `it is a person's, and has ${textOf(theirs)}`,
    fix: "leave --port out, change the Service, or register under another name",
  });
}

function regionOf(
  cloudRun: CloudRunName,
  { urls, timeoutMs, concurrency, appPort }: RunService,
  { weight }: RegionShare,
  { url: givenUrl, audience }: ReturnType<typeof targetOf>,
): FoundRegion {
  return { cloudRun, weight, url: urls[0], givenUrl, audience, timeoutMs, concurrency, appPort };
}
