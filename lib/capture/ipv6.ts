import { isIPv4 } from "node:net";
import type { CaptureSettings } from "./settings.ts";

/**
 * Whether IPv6 is captured. `auto` goes by what Envoy and the agent listen on: istiod takes an instance for IPv4 by
 * its first address that is no loopback or link-local one, and listens on both only with dual stack.
 */
export function capturesIpv6(
  settings: Pick<CaptureSettings, "ipv6" | "dualStack">,
  addresses: readonly string[],
): boolean {
  if (settings.ipv6 !== "auto") return settings.ipv6 === "on";
  const usable = addresses.filter((address) => !/^(127\.|169\.254\.|::1$|fe[89ab]|ff)/i.test(address));
  const isIpv6 = (address: string) => !isIPv4(address.replace(/^::ffff:/i, ""));
  return settings.dualStack ? usable.some(isIpv6) : usable.slice(0, 1).some(isIpv6);
}
