import { isHostName, isLabel } from "../../registration/mod.ts";

/**
 * What a sidecar asks for in the ClientHello: `outbound_.8080_.v1_.web.prod.svc.cluster.local`, `outbound_.8080_._.…` without a subset
 * (istio's pilot/pkg/model BuildDNSSrvSubsetKey).
 */
export function meshServerName(host: string, port: number, subset = ""): string {
  return `outbound_.${port}_.${subset}_.${host}`;
}

/** Names of a host on each of its ports, with each of its subsets and without. */
export function meshServerNames(host: string, ports: readonly number[], subsets: readonly string[]): string[] {
  return ports.flatMap((port) => ["", ...subsets].map((subset) => meshServerName(host, port, subset)));
}

/** `web.prod.svc.cluster.local` */
export function serviceHost(name: string, namespace: string, clusterDomain: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`;
}

/**
 * Whether objects of `namespace` may claim `host`. Host names of the cluster belong to the namespace that stands in them; all others
 * are open only to namespaces that an administrator let claim such names, or one tenant could take another's traffic.
 */
export function mayClaim(host: string, namespace: string, clusterDomain: string, plainHosts: boolean): boolean {
  if (!isHostName(host)) return false;
  if (host === clusterDomain || host.endsWith(`.${clusterDomain}`) || host.endsWith(".svc")) {
    const name = host.slice(0, host.indexOf("."));
    return isLabel(name) && host === serviceHost(name, namespace, clusterDomain);
  }
  return plainHosts;
}

/** A subset's name; Istio takes them as labels, and one with `_.` in it would read as another name. */
export function isSubset(text: unknown): text is string {
  return typeof text === "string" && /^[a-z0-9A-Z](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(text);
}
