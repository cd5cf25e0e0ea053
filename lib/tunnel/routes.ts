/** What `/_hbone/<x>` may be, from the settings that declare ports. */
export interface DeclaredPorts {
  /** `PORT_<name>` → port. */
  namedPorts: Readonly<Record<string, number>>;
  /** Variables that somebody set: a default is no declaration. */
  from: Readonly<Record<string, { source: string } | undefined>>;
}

/**
 * Where tunnels may lead: `15003` to the mesh's inbound listener, and each declared `PORT_<name>` by name and by number.
 * Anything else is not reachable: the front end lets in whoever may call the service, which is not a right to every local port.
 */
export function tunnelRoutes(declared: DeclaredPorts, inboundPort: number): Map<string, number> {
  const routes = new Map<string, number>();
  for (const [name, port] of Object.entries(declared.namedPorts)) {
    if (!declared.from[`PORT_${name}`] || declared.from[`PORT_${name}`]!.source === "default") continue;
    routes.set(name, port);
    routes.set(String(port), port);
  }
  return routes.set("15003", inboundPort);
}
