import type { KubeObject } from "../kube/mod.ts";
import { MANAGED_BY, MANAGED_BY_US, REGISTERED } from "./names.ts";
import type { ServicePort } from "./registration.ts";

/** One name for services of several regions. */
export interface Split {
  /** Of the Service that clients call. */
  name: string;
  namespace: string;
  ports: readonly ServicePort[];
  /** Services that take its requests, with the same ports; weights are shares of their sum. */
  to: readonly { name: string; weight: number }[];
  /** @default "cluster.local" */
  clusterDomain?: string | undefined;
}

/**
 * The name of a region's own Service. The gate tells regions apart by the name in the ClientHello, so each needs a host of its own.
 */
export function regionalName(name: string, region: string): string {
  return `${name}-${region}`;
}

/**
 * A VirtualService that shares requests out by weight; a port that is not HTTP is shared out by connections:
 * https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRouteDestination
 */
export function virtualService({ name, namespace, ports, to, clusterDomain = "cluster.local" }: Split): KubeObject {
  const host = (service: string) => `${service}.${namespace}.svc.${clusterDomain}`;
  const routes = (wanted: readonly ServicePort[]) =>
    wanted.map(({ port }) => ({
      match: [{ port }],
      route: to.map((one) => ({
        destination: { host: host(one.name), port: { number: port } },
        weight: one.weight,
      })),
    }));
  const http = routes(ports.filter(isHttp));
  const tcp = routes(ports.filter((port) => !isHttp(port)));
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: metadata(name, name, namespace),
    spec: { hosts: [host(name)], ...(http.length ? { http } : {}), ...(tcp.length ? { tcp } : {}) },
  };
}

/**
 * The same in the words of the Gateway API, one HTTPRoute a port: a rule says to which port of a backend it leads, and not for which of
 * its parent's it is. https://gateway-api.sigs.k8s.io/mesh/mesh-overview/
 */
export function httpRoutes({ name, namespace, ports, to }: Split): KubeObject[] {
  return ports.map(({ name: portName, port }) => ({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: metadata(`${name}-${portName}`, name, namespace),
    spec: {
      parentRefs: [{ group: "", kind: "Service", name, port }],
      rules: [{
        backendRefs: to.map((one) => ({ group: "", kind: "Service", name: one.name, port, weight: one.weight })),
      }],
    },
  }));
}

/** By the first part of its name, https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/. */
export function isHttp({ name }: ServicePort): boolean {
  return /^(?:http|http2|grpc|grpc-web)(?:-|$)/.test(name);
}

function metadata(name: string, registered: string, namespace: string) {
  return { name, namespace, labels: { [REGISTERED]: registered, [MANAGED_BY]: MANAGED_BY_US } };
}
