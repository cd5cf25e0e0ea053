import { Problem } from "../../base/errors.ts";
import { HttpError } from "../../base/http.ts";
import { cloudRun, type GoogleRest, hasMember, RUN_INVOKER, type RunService, runServicePolicy } from "../../gcp/mod.ts";
import { get, type KubeClient, type KubeObject, RESOURCES } from "../../kube/mod.ts";
import type { CloudRunName } from "../../registration/mod.ts";
import { gateMember, memberOf } from "../gate_account.ts";
import { isForAll } from "./grants.ts";
import type { InvokerRegion } from "./invokers.ts";
import { updateCommand } from "./run_warnings.ts";

/** @throws {Problem} there is no such namespace */
export async function namespaceObject(kube: KubeClient, name: string, signal: AbortSignal): Promise<KubeObject> {
  const namespace = await get(kube, RESOURCES.Namespace, undefined, name, signal);
  if (namespace) return namespace;
  const tried = `find namespace ${name} on ${kube.access.origin}`;
  throw new Problem({ tried, got: "there is none", fix: `cloud-run-mesh setup-namespace ${name}` });
}

/** The service of each region, in their order. @throws {Problem} one is not there, or may not be read */
export async function runServices(
  names: readonly CloudRunName[],
  rest: GoogleRest,
  signal: AbortSignal,
): Promise<RunService[]> {
  const api = cloudRun(rest);
  return await Promise.all(
    names.map(({ project, region, service }) => api.service(project, region, service, signal)),
  );
}

/** Who the gate is to Cloud Run, and which regions let it in. */
export interface FoundInvokers {
  /** `undefined` where nobody is to be given the role, or nobody knows whom. */
  member: string | undefined;
  regions: InvokerRegion[];
  warnings: string[];
}

/**
 * @param given `--gate-account`
 * @throws {Problem} policies, or the gate's ServiceAccount, may not be read
 */
export async function findInvokers(
  regions: readonly { name: CloudRunName; service: RunService }[],
  { kube, rest, gateNamespace, given, signal }: {
    kube: KubeClient;
    rest: GoogleRest;
    gateNamespace: string;
    given: string | undefined;
    signal: AbortSignal;
  },
): Promise<FoundInvokers> {
  const closed = regions.filter(({ service }) => !service.isOpen);
  const linked = () => gateMember(kube, gateNamespace, signal);
  const member = given
    ? memberOf(given)
    : closed.length > 0
    ? await orElse(linked(), `--gate-account EMAIL, or --no-invoker`)
    : undefined;
  const found = await Promise.all(regions.map(async ({ name: cloudRun, service }): Promise<InvokerRegion> => {
    if (service.isOpen) return { cloudRun, isOpen: true, has: false };
    const policy = await orElse(runServicePolicy(cloudRun, rest).read(signal), "--no-invoker");
    return {
      cloudRun,
      isOpen: isForAll(policy),
      has: member !== undefined && hasMember(policy, RUN_INVOKER, member),
    };
  }));
  const isLacking = member === undefined && found.some(({ isOpen }) => !isOpen);
  const warnings = isLacking ? [unknownAccount(found, gateNamespace)] : [];
  return { member, regions: found, warnings };
}

function unknownAccount(regions: readonly InvokerRegion[], gateNamespace: string): string {
  const commands = regions.filter(({ isOpen }) => !isOpen).map(({ cloudRun }) => bindingCommand("add", cloudRun));
  return `the gate's Google account is not known (ServiceAccount ${gateNamespace}/hgate has no annotation ` +
    `iam.gke.io/gcp-service-account): --gate-account EMAIL, or\n${commands.join("\n")}`;
}

/** What a person would type to give or take the role. @param member without one, a word in its place */
export function bindingCommand(
  verb: "add" | "remove",
  cloudRun: CloudRunName,
  member = "serviceAccount:ACCOUNT",
): string {
  return updateCommand(cloudRun, `--member ${member}`, `--role ${RUN_INVOKER}`)
    .replace("services update", `services ${verb}-iam-policy-binding`);
}

/** A refusal says the other way out, too. */
async function orElse<T>(call: Promise<T>, otherwise: string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof HttpError && error.status === 403)) throw error;
    const { tried, got, fix } = error;
    throw new Problem({ tried, got, fix: fix ? `${fix}; or ${otherwise}` : otherwise, cause: error });
  }
}
