import { HttpError } from "../../../base/http.ts";
import { cloudRun, runServicePolicy } from "../../../gcp/mod.ts";
import { annotation, get, type KubeClient, listAll, RESOURCES } from "../../../kube/mod.ts";
import { fullServiceName, REGISTERED, SERVICE_ANNOTATION } from "../../../registration/mod.ts";
import { source } from "../source.ts";
import { restOf } from "./google.ts";

export const run = source<"run", "token" | "project" | "region">({
  label: "the Cloud Run service",
  isOfService: true,
  needs: ["token", "project", "region"],
  async look({ project, region }, outside, signal) {
    try {
      return await cloudRun(await restOf(outside, "run")).service(project, region, outside.service!, signal);
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return undefined;
      throw error;
    }
  },
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
  async look({ cluster: { kube }, namespace, project = "", region = "" }, outside, signal) {
    const full = fullServiceName({ project, region, service: outside.service! });
    const service = await registeredBy(kube, namespace, outside.service!, full, signal);
    const name = service?.metadata.name ?? outside.service!;
    const labelled = async (kind: "WorkloadEntry") =>
      (await listAll(kube, { resource: RESOURCES[kind], namespace, labelSelector: `${REGISTERED}=${name}` }, {
        signal,
      }))
        .items;
    const one = (kind: "DestinationRule" | "PeerAuthentication" | "Sidecar") =>
      get(kube, RESOURCES[kind], namespace, name, signal);
    const [entries, rule, peerAuthentication, sidecar] = await Promise.all([
      labelled("WorkloadEntry"),
      one("DestinationRule"),
      one("PeerAuthentication"),
      one("Sidecar"),
    ]);
    return { service, entries, rule, peerAuthentication, sidecar };
  },
});

/** The Service that says it is this Cloud Run service's; else the one of its name, if that is no other's. */
async function registeredBy(kube: KubeClient, namespace: string, service: string, full: string, signal: AbortSignal) {
  const { items } = await listAll(kube, { resource: RESOURCES.Service, namespace, labelSelector: REGISTERED }, {
    signal,
  });
  const saying = items.find((object) => annotation(object, SERVICE_ANNOTATION) === full);
  return saying ?? items.find(({ metadata }) => metadata.name === service) ??
    await get(kube, RESOURCES.Service, namespace, service, signal);
}
