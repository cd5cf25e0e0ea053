import { unlessMissing } from "../../../base/unless_missing.ts";
import { cloudRun, runServicePolicy } from "../../../gcp/mod.ts";
import { annotation, get, type KubeClient, type KubeObject, label, listAll, RESOURCES } from "../../../kube/mod.ts";
import { parseServiceName, PART_OF, REGISTERED, SERVICE_ANNOTATION } from "../../../registration/mod.ts";
import { source } from "../source.ts";
import { restOf } from "./google.ts";

export const run = source<"run", "token" | "project" | "region">({
  label: "the Cloud Run service",
  isOfService: true,
  needs: ["token", "project", "region"],
  look: async ({ project, region }, outside, signal) =>
    await unlessMissing(
      cloudRun(await restOf(outside, "run")).service(project, region, outside.service!, signal),
    ),
});

export const runPolicy = source<"runPolicy", "token" | "project" | "region">({
  label: "the service's IAM policy",
  isOfService: true,
  needs: ["token", "project", "region"],
  look: async ({ project, region }, outside, signal) =>
    await runServicePolicy({ project, region, service: outside.service! }, await restOf(outside, "run")).read(signal),
});

export const registration = source<"registration", "cluster" | "version" | "namespace", "project" | "region">({
  label: "its registration",
  isOfService: true,
  needs: ["cluster", "version", "namespace"],
  wants: ["project", "region"],
  async look({ cluster: { kube }, namespace, project, region }, outside, signal) {
    const wanted = { project, region, service: outside.service! };
    const service = await registeredBy(kube, namespace, wanted, signal);
    const own = service?.metadata.name ?? wanted.service;
    // What concerns the workload itself is written once for all regions.
    const name = (service && label(service, PART_OF)) ?? own;
    const one = (kind: "DestinationRule" | "PeerAuthentication" | "Sidecar", name: string) =>
      get(kube, RESOURCES[kind], namespace, name, signal);
    const labelSelector = `${REGISTERED}=${own}`;
    const [{ items: entries }, rule, peerAuthentication, sidecar] = await Promise.all([
      listAll(kube, { resource: RESOURCES.WorkloadEntry, namespace, labelSelector }, { signal }),
      one("DestinationRule", own),
      one("PeerAuthentication", name),
      one("Sidecar", name),
    ]);
    return { name, service, entries, rule, peerAuthentication, sidecar };
  },
});

/** The Service that says it is this Cloud Run service's, one for all its regions before one for this region; else the one of its name. */
async function registeredBy(
  kube: KubeClient,
  namespace: string,
  { project, region, service }: { project?: string | undefined; region?: string | undefined; service: string },
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  const selection = { resource: RESOURCES.Service, namespace, labelSelector: REGISTERED };
  const { items } = await listAll(kube, selection, { signal });
  const saying = items.filter((object) => {
    const said = parseServiceName(annotation(object, SERVICE_ANNOTATION) ?? "", { project, region });
    return said?.service === service && said.project === project && said.region === region;
  });
  return saying.find((object) => !label(object, PART_OF)) ?? saying[0] ??
    items.find(({ metadata }) => metadata.name === service) ??
    await get(kube, RESOURCES.Service, namespace, service, signal);
}
