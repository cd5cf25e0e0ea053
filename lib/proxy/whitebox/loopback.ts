/** The address fields of a listener on 127.0.0.1 and, with `ipv6`, on ::1. */
export function loopbackAddresses(port: number, ipv6: boolean): Record<string, unknown> {
  const at = (address: string) => ({ address: { socket_address: { address, port_value: port } } });
  return { ...at("127.0.0.1"), ...(ipv6 ? { additional_addresses: [at("::1")] } : {}) };
}
