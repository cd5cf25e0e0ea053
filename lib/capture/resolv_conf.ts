import { isIPv4, isIPv6 } from "node:net";
import { parseRange } from "./address.ts";
import type { Family } from "./family.ts";

/** Addresses of DNS servers by family, in the form iptables prints them: `10.0.0.10/32`. */
export type DnsServers = Readonly<Record<Family, readonly string[]>>;

export const NO_SERVERS: DnsServers = { 4: [], 6: [] };

/** The `nameserver` lines of a resolv.conf(5). One with a zone (`fe80::1%eth0`) cannot be told in a rule and is left out. */
export function dnsServers(text: string): DnsServers {
  const servers: Record<Family, string[]> = { 4: [], 6: [] };
  for (const line of text.split("\n")) {
    const [word, address = ""] = line.trim().split(/\s+/);
    if (word !== "nameserver" || address.includes("%") || !(isIPv4(address) || isIPv6(address))) continue;
    const { family, text } = parseRange(address);
    if (!servers[family].includes(text)) servers[family].push(text);
  }
  return servers;
}
