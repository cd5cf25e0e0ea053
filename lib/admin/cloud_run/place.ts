import { Problem, UsageError } from "../../base/errors.ts";
import { type RunPlace, type RunResource, type RunServiceStore, runServiceStore } from "../../gcp/mod.ts";
import { isLabel } from "../../registration/mod.ts";
import { namespaceOfAccount } from "../../settings/mod.ts";
import type { AdminContext } from "../context.ts";
import { krunOf } from "./mesh_template.ts";

/** A service of the project and region that the command is for. @throws {UsageError} no name of a service */
export async function storeOf(
  context: AdminContext,
  service: string,
): Promise<RunServiceStore> {
  if (!isLabel(service) || service.length > 49) {
    const fix = "lower case letters, digits and hyphens, 49 at most";
    throw new UsageError({ tried: "name a Cloud Run service", got: JSON.stringify(service), fix });
  }
  const place: RunPlace = { project: await context.project(), region: await context.region(), service };
  return runServiceStore(place, await context.rest("run"));
}

/** @throws {Problem} there is none */
export async function existing(store: RunServiceStore, signal?: AbortSignal): Promise<RunResource> {
  const service = await store.read(signal);
  if (service) return service;
  const { project } = store.place;
  throw new Problem({
    tried: `find ${store.of} of project ${project}`,
    got: "there is none",
    fix: `check the name and the region: gcloud run services list --project ${project}`,
  });
}

/** The namespace that was asked for, that krun is told, or that its account is named after. @throws {UsageError} none */
export function namespaceFor(service: RunResource | undefined, asked: string | undefined, account?: string): string {
  const { template = {} } = service ?? {};
  const told = krunOf(template)?.env?.find(({ name }) => name === "WORKLOAD_NAMESPACE")?.value;
  const found = asked ?? told ?? namespaceOfAccount(account ?? template.serviceAccount);
  if (found && isLabel(found)) return found;
  const got = found ? JSON.stringify(found) : `the service's account ${template.serviceAccount ?? "(none)"} names none`;
  throw new UsageError({ tried: "find the namespace of the mesh", got, fix: "--namespace NAMESPACE" });
}

/** What people type for the way into a VPC; none of it where nothing was said. */
export interface VpcSettings {
  connector?: string | undefined;
  network?: string | undefined;
  subnet?: string | undefined;
}

/** https://cloud.google.com/run/docs/configuring/vpc-connectors, …/vpc-direct-vpc. @throws {UsageError} both ways */
export function vpcAccessOf(
  { connector, network, subnet }: VpcSettings,
  { project, region }: RunPlace,
): Record<string, unknown> | undefined {
  const isDirect = network !== undefined || subnet !== undefined;
  if (connector === undefined && !isDirect) return undefined;
  if (connector !== undefined && isDirect) {
    const fix = "one of --vpc-connector and --network with --subnet";
    throw new UsageError({ tried: "read the service's way into the VPC", got: "a connector and a network", fix });
  }
  const egress = "PRIVATE_RANGES_ONLY";
  if (connector !== undefined) {
    const name = connector.includes("/")
      ? connector
      : `projects/${project}/locations/${region}/connectors/${connector}`;
    return { connector: name, egress };
  }
  const networkInterface = {
    ...(network === undefined ? {} : { network }),
    ...(subnet === undefined ? {} : { subnetwork: subnet }),
  };
  return { networkInterfaces: [networkInterface], egress };
}
