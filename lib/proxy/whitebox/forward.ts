import { UsageError } from "../../base/errors.ts";

/** A TCP port on the loopback addresses that leads to a service of the mesh, or to any other host. */
export interface Forward {
  localPort: number;
  /** Host name as the app would use it (short, with namespace, full, outside the mesh), IPv4 address, or IPv6 address without brackets. */
  host: string;
  port: number;
}

/** Istio's own ports, and ours. */
const RESERVED = { from: 15000, to: 15100 };

/** RFC 1123 labels, also with underscores, which Kubernetes doesn't allow but DNS does; a dot at the end is taken. */
const HOST_NAME = /^(?=.{1,253}\.?$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i;

/**
 * Reads `MESH_FORWARD`: `<local port>=<service>:<port>`, separated by commas, e.g. `5432=db:5432,6379=cache.shared:6379`. Empty parts and space around
 * them are skipped.
 * @throws {UsageError} for a part of another form, a port that is not 1-65535, a local port of Istio's (15000-15100), of `reservedPorts` or used twice
 */
export function parseForwards(setting: string, reservedPorts: readonly number[] = []): Forward[] {
  const forwards: Forward[] = [];
  for (const part of setting.split(",").map((text) => text.trim()).filter((text) => text !== "")) {
    const refuse = (got: string) =>
      new UsageError({
        tried: `read ${JSON.stringify(part)} in MESH_FORWARD`,
        got,
        fix: "write <local port>=<service>:<port>, e.g. MESH_FORWARD=5432=db:5432,6379=cache.shared:6379",
      });
    const match = /^([^=]*)=(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(part);
    if (!match) throw refuse("it has not the form <local port>=<service>:<port>");
    const [localPort, host, port] = [portOf(match[1]!), match[2]!.trim(), portOf(match[3]!)];
    if (localPort === undefined) {
      throw refuse(`the local port ${JSON.stringify(match[1])} is not a number from 1 to 65535`);
    }
    if (port === undefined) {
      throw refuse(`the service's port ${JSON.stringify(match[3])} is not a number from 1 to 65535`);
    }
    const address = host.startsWith("[") ? host.slice(1, -1) : host;
    if (host.startsWith("[") ? !isIpv6(address) : !HOST_NAME.test(host)) {
      throw refuse(`${JSON.stringify(host)} is neither a host name nor an address`);
    }
    if (localPort >= RESERVED.from && localPort <= RESERVED.to) {
      throw refuse(`the local port ${localPort} is one of the mesh's own (${RESERVED.from}-${RESERVED.to})`);
    }
    if (reservedPorts.includes(localPort)) throw refuse(`the local port ${localPort} is the app's`);
    if (forwards.some((other) => other.localPort === localPort)) {
      throw refuse(`the local port ${localPort} is used twice`);
    }
    forwards.push({ localPort, host: address, port });
  }
  return forwards;
}

function portOf(text: string): number | undefined {
  const port = /^\s*\d{1,5}\s*$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

function isIpv6(text: string): boolean {
  return /^[0-9a-f:.]+$/i.test(text) && text.includes(":") && URL.canParse(`http://[${text}]/`);
}

/** `host:port` as in a URL. */
export function authorityOf({ host, port }: Pick<Forward, "host" | "port">): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
