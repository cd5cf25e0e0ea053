/** Address of the first interface that is not the loopback, IPv4 before IPv6; `undefined` where the platform does not tell. */
export function instanceIp(
  interfaces: () => readonly { name: string; family: string; address: string }[] = Deno.networkInterfaces,
): string | undefined {
  let found: readonly { name: string; family: string; address: string }[];
  try {
    found = interfaces();
  } catch {
    return undefined; // the agent looks itself
  }
  const outer = found.filter(({ name, address }) => name !== "lo" && !/^(127\.|::1$|169\.254\.|fe80:)/i.test(address));
  return (outer.find(({ family }) => family === "IPv4") ?? outer[0])?.address;
}
