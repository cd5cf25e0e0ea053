import { type KubeClient, type KubeObject, nameOf, pathOf, RESOURCES } from "../../kube/mod.ts";

/** Writes a warning that `kubectl describe` shows beside the object, https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/. */
export async function warn(
  kube: KubeClient,
  object: KubeObject,
  reason: string,
  message: string,
  signal?: AbortSignal,
  now: Date = new Date(),
): Promise<void> {
  const { name, namespace = "default", uid, resourceVersion } = object.metadata;
  const time = now.toISOString().replace(/\.\d+Z$/, "Z");
  await kube.request(pathOf(RESOURCES.Event, namespace), {
    what: `write an event of ${nameOf(object)}`,
    method: "POST",
    tries: 1,
    ...(signal ? { signal } : {}),
    json: {
      apiVersion: "v1",
      kind: "Event",
      metadata: { generateName: `${name.slice(0, 200)}.`, namespace },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        namespace,
        name,
        ...(uid ? { uid } : {}),
        ...(resourceVersion ? { resourceVersion } : {}),
      },
      type: "Warning",
      reason,
      message: message.slice(0, 1_000),
      source: { component: "hgate" },
      reportingComponent: "hgate",
      reportingInstance: "",
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    },
  });
}
