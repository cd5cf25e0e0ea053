import type { RunService } from "../../gcp/mod.ts";
import type { CloudRunName } from "../../registration/mod.ts";
import { namespaceOfAccount } from "../../settings/mod.ts";

/** Where krun listens, and Cloud Run has to send requests to. */
const KRUN_PORT = 15_009;

/**
 * What keeps the mesh from the service, each with the command that mends it.
 * @param namespace in which it is registered
 */
export function runWarnings(service: RunService, name: CloudRunName, namespace: string): string[] {
  const found = [
    ...portWarnings(service, name),
    ...ingressWarnings(service, name),
    ...namespaceWarnings(service, name, namespace),
  ];
  return service.problem ? [`${of(name)} does not serve: ${service.problem}`, ...found] : found;
}

function portWarnings({ port }: RunService, name: CloudRunName): string[] {
  const missing = [
    ...(port.isHttp2 ? [] : ["--use-http2"]),
    ...(port.number === KRUN_PORT ? [] : [`--port ${KRUN_PORT}`]),
  ];
  if (missing.length === 0) return [];
  const got = `gets ${port.isHttp2 ? "HTTP/2" : "HTTP/1"} on port ${port.number}, krun takes HTTP/2 on ${KRUN_PORT}`;
  return [`${of(name)} ${got}:\n${updateCommand(name, ...missing)}`];
}

/** A proxy is told what stands in its own namespace. */
function namespaceWarnings(
  { namespace: told, serviceAccount }: RunService,
  name: CloudRunName,
  registered: string,
): string[] {
  const own = told ?? namespaceOfAccount(serviceAccount);
  if (own === undefined || own === registered) return [];
  const by = told === undefined ? `its account ${serviceAccount}` : "its WORKLOAD_NAMESPACE";
  return [
    `${of(name)} is a workload of namespace ${own}, by ${by}, and listens to nothing in ${registered}: ` +
    `--namespace ${own}, or\n${updateCommand(name, `--update-env-vars WORKLOAD_NAMESPACE=${registered}`)}`,
  ];
}

/** https://cloud.google.com/run/docs/securing/ingress */
function ingressWarnings({ ingress }: RunService, name: CloudRunName): string[] {
  const command = updateCommand(name, "--ingress all");
  if (ingress === "none") return [`${of(name)} takes no requests (ingress none):\n${command}`];
  if (ingress !== "internal" && ingress !== "internal-and-load-balancing") return [];
  return [
    `${
      of(name)
    } takes requests from its project's own networks alone (ingress ${ingress}): the gate's have to come by Private ` +
    `Google Access, or:\n${command}`,
  ];
}

/** `gcloud run services update web --project p --region r FLAGS` */
export function updateCommand({ project, region, service }: CloudRunName, ...flags: readonly string[]): string {
  return ["gcloud run services update", service, "--project", project, "--region", region, ...flags].join(" ");
}

const of = ({ service, region }: CloudRunName) => `Cloud Run service ${service} in ${region}`;
