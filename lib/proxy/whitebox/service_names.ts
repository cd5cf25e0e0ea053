import type { MeshPorts, ServiceKind } from "./learn.ts";

/** Where the app's short names are looked for. */
export interface NameScope {
  /** The app's namespace, e.g. `fortio`. */
  namespace: string;
  /** The cluster's DNS domain, e.g. `cluster.local`. */
  domain: string;
}

/** What may be missing at the end of a service's name, in the order of a pod's own `resolv.conf`, the full name first. */
export function suffixes({ namespace, domain }: NameScope): string[] {
  return ["", `.${namespace}.svc.${domain}`, `.svc.${domain}`, `.${domain}`];
}

/** The service that `host:port` names, or undefined for a host outside the mesh. */
export function resolveService(
  target: { host: string; port: number },
  ports: MeshPorts,
  names: NameScope,
): { kind: ServiceKind; cluster: string } | undefined {
  // An IPv6 address is compared as it is written in the tables.
  const host = (target.host.includes(":") ? `[${target.host}]` : target.host).toLowerCase().replace(/\.$/, "");
  for (const suffix of suffixes(names)) {
    const name = `${host}${suffix}:${target.port}`;
    const kind = ports.services.get(name);
    // A forward's connections all take one cluster: the one that the rules give most.
    const heaviest = ports.tcpRoutes.get(name)?.toSorted((a, b) => b.weight - a.weight)[0];
    if (heaviest) return { kind: kind ?? "tcp", cluster: heaviest.name };
    if (kind) return { kind, cluster: `outbound|${target.port}||${host}${suffix}` };
  }
  return undefined;
}
