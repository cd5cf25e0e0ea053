/** Whether ::1 can be bound; false in containers without IPv6. */
export function hasIpv6Loopback(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

/** The address fields of a listener on 127.0.0.1 and, with `ipv6`, on ::1. */
export function loopbackAddresses(port: number, ipv6: boolean): Record<string, unknown> {
  const at = (address: string) => ({ address: { socket_address: { address, port_value: port } } });
  return { ...at("127.0.0.1"), ...(ipv6 ? { additional_addresses: [at("::1")] } : {}) };
}
