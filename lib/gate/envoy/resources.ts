import { createHash } from "node:crypto";
import { Secret } from "../../base/secret.ts";
import type { GateRoutes, PassRoute } from "../route.ts";
import { type FrontEndOptions, passCluster, tunnelCluster } from "./clusters.ts";
import { gateListeners, type ListenerOptions } from "./listeners.ts";
import { type ClusterKind, clusterName } from "./names.ts";
import { any, type JsonObject, TYPE_URL } from "./protobuf.ts";

export const CLUSTER_TYPE = `${TYPE_URL}envoy.config.cluster.v3.Cluster`;
export const LISTENER_TYPE = `${TYPE_URL}envoy.config.listener.v3.Listener`;

/** One resource as it is sent; `version` is a hash of its content, so that it outlives hgate. */
export interface Resource {
  name: string;
  version: string;
  resource: { type_url: string; value: Uint8Array<ArrayBuffer> };
}

/** Resources of one type by name. */
export type Resources = ReadonlyMap<string, Resource>;

/** A cluster that routes ask for. */
export interface ClusterPlan {
  service: string;
  kind: ClusterKind;
  /** Of the token it needs. */
  audience?: string;
  /** All that it is made of, but for the token. */
  from: string;
  make(token: Secret): JsonObject;
  /** As it was made last. */
  made?: { resource: Resource; token: Secret | undefined };
}

/**
 * The clusters that routes ask for, by name; of two routes with one server name the first has it.
 *
 * @param before what was planned last: what has not changed is not made again
 */
export function clusterPlans(
  routes: GateRoutes,
  frontEnds: FrontEndOptions,
  before: ReadonlyMap<string, ClusterPlan> = new Map(),
): Map<string, ClusterPlan> {
  const plans = new Map<string, ClusterPlan>();
  const add = (kind: ClusterKind, serverName: string, plan: Omit<ClusterPlan, "kind" | "made">) => {
    const name = clusterName(kind, serverName);
    if (plans.has(name)) return;
    const old = before.get(name);
    plans.set(name, { ...plan, kind, ...old?.made && old.from === plan.from && { made: old.made } });
  };
  for (const route of routes.tunnels) {
    const { service, url, audience, limits, serverNames } = route;
    const from = JSON.stringify([
      frontEnds.rootsPathFor(new URL(url).hostname),
      url,
      audience,
      limits,
    ]);
    for (const name of serverNames) {
      add("tunnel", name, { service, audience, from, make: (token) => tunnelCluster(route, name, token, frontEnds) });
    }
  }
  const pass = (kind: "istiod" | "pass", passed: readonly PassRoute[]) => {
    for (const route of passed) {
      const from = JSON.stringify([route.host, route.port]);
      for (const name of route.serverNames) {
        add(kind, name, { service: route.service, from, make: () => passCluster(kind, route, name) });
      }
    }
  };
  pass("istiod", routes.istiod);
  pass("pass", routes.services ?? []);
  return plans;
}

const NO_TOKEN = new Secret("");

/** The clusters whose tokens are at hand. */
export function clusterResources(
  plans: ReadonlyMap<string, ClusterPlan>,
  tokenOf: (audience: string) => Secret | undefined,
): Map<string, Resource> {
  const resources = new Map<string, Resource>();
  for (const [name, plan] of plans) {
    const token = plan.audience === undefined ? NO_TOKEN : tokenOf(plan.audience);
    if (!token) continue;
    if (plan.made?.token !== token) plan.made = { token, resource: resourceOf(name, CLUSTER_TYPE, plan.make(token)) };
    resources.set(name, plan.made.resource);
  }
  return resources;
}

/** The gate's listeners. */
export function listenerResources(options: ListenerOptions, routes: GateRoutes): Map<string, Resource> {
  const listeners = [...gateListeners(options, routes.tunnels)];
  return new Map(listeners.map(([name, json]) => [name, resourceOf(name, LISTENER_TYPE, json)]));
}

function resourceOf(name: string, type: string, json: JsonObject): Resource {
  const resource = any({ "@type": type, ...json });
  return { name, version: createHash("sha256").update(resource.value).digest("hex").slice(0, 16), resource };
}
