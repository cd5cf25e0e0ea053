import { Problem } from "../base/errors.ts";
import { parseAs } from "../base/json.ts";
import type { KubeClient } from "./client.ts";
import type { Resource } from "./objects.ts";
import * as v from "valibot";

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#aggregated-discovery: the beta from 1.27 on, v2 from 1.30 on. */
const ACCEPT = ["v2", "v2beta1"]
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`).join(",");

const Groups = v.object({
  kind: v.string(),
  items: v.optional(
    v.array(v.object({
      metadata: v.optional(v.object({ name: v.optional(v.string(), "") }), {}),
      versions: v.optional(
        v.array(v.object({
          version: v.string(),
          freshness: v.optional(v.string()),
          resources: v.optional(
            v.array(v.object({
              resource: v.string(),
              responseKind: v.optional(v.object({ kind: v.optional(v.string(), "") }), {}),
              scope: v.optional(v.string()),
              verbs: v.optional(v.array(v.string()), []),
            })),
            [],
          ),
        })),
        [],
      ),
    })),
    [],
  ),
});

/** The kinds that live in namespaces. */
export interface NamespacedKinds {
  /** Each in the version that the server prefers; only those that can be listed and deleted. */
  kinds: Resource[];
  /** `metrics.k8s.io/v1beta1`: groups whose own server does not answer, so that their kinds are not known. */
  silent: string[];
}

/** @throws {Problem} also where the server is too old to tell all at once */
export async function namespacedKinds(kube: KubeClient, signal?: AbortSignal): Promise<NamespacedKinds> {
  const what = `read which kinds there are on ${kube.access.origin}`;
  const found = new Map<string, Resource>();
  const silent: string[] = [];
  const answers = await Promise.all(["/api", "/apis"].map(async (path) => {
    const { text } = await kube.request(path, { what, headers: { accept: ACCEPT }, ...(signal ? { signal } : {}) });
    return parseAs(Groups, text, what);
  }));
  for (const { kind, items } of answers) {
    if (kind !== "APIGroupDiscoveryList") {
      throw new Problem({ tried: what, got: "a server older than Kubernetes 1.27" });
    }
    for (const { metadata: { name: group }, versions } of items) {
      for (const { version, freshness, resources } of versions) {
        const apiVersion = group ? `${group}/${version}` : version;
        if (freshness === "Stale") silent.push(apiVersion);
        for (const { resource, responseKind, scope, verbs } of resources) {
          const isUsed = scope === "Namespaced" && verbs.includes("list") && verbs.includes("delete");
          const key = `${resource}.${group}`;
          if (isUsed && !found.has(key)) found.set(key, { apiVersion, kind: responseKind.kind, resource });
        }
      }
    }
  }
  return { kinds: [...found.values()], silent };
}
