import { fail, pass, type Verdict, warn } from "../finding.ts";
import type { Place } from "../place.ts";
import type { TcpLook } from "../tcp_look.ts";

/** What an address that is silent means: from outside its network nothing at all; refused is refused from anywhere. */
export function portVerdict({ address, outcome, why }: TcpLook, place: Place, fix: string): Verdict {
  if (outcome === "open") return pass(address);
  const seen = `${address}: ${why ?? outcome}`;
  if (outcome === "silent" && place === "laptop") {
    return isPrivate(address)
      ? warn(
        `${seen}; it is an address of the VPC, which may not be routed to here`,
        "look from inside: run this in the service's container",
      )
      : warn(seen, fix);
  }
  return fail(seen, fix);
}

/** RFC 1918, RFC 6598 and RFC 4193: never routed over the internet. */
export function isPrivate(address: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|127\.|\[?f[cd][0-9a-f]{2}:)/i
    .test(address);
}
