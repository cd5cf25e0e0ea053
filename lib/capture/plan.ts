import { Problem } from "../base/errors.ts";
import type { RuleSets } from "./apply.ts";
import { capturesDns } from "./dns_rules.ts";
import { capturesIpv6 } from "./ipv6.ts";
import { type DnsServers, dnsServers } from "./resolv_conf.ts";
import { NO_RULES, rulesFor } from "./rules.ts";
import { type CaptureSettings, captureSettings } from "./settings.ts";
import type { Variables } from "./variables.ts";

/** What the rules depend on besides the settings. */
export interface Surroundings {
  /** Of /etc/resolv.conf, which is only read. */
  readonly servers: DnsServers;
  /** Addresses of the interfaces, in the kernel's order. */
  readonly addresses: readonly string[];
}

export interface Plan {
  readonly rules: RuleSets;
  readonly ipv6: boolean;
  /** What the reader may not expect, a line each. */
  readonly notes: readonly string[];
}

/**
 * The rules of both families.
 * @param ipv6Works whether ip6tables works here
 * @throws {Problem} IPv6 is asked for and does not work
 */
export function planRules(settings: CaptureSettings, around: Surroundings, ipv6Works: boolean): Plan {
  const wanted = capturesIpv6(settings, around.addresses);
  if (wanted && !ipv6Works && settings.ipv6 === "on") {
    throw new Problem({
      tried: "capture IPv6 (KRUN_CAPTURE_IPV6=on)",
      got: "ip6tables does not work here",
      fix: "KRUN_CAPTURE_IPV6=auto captures IPv4 alone",
    });
  }
  const ipv6 = wanted && ipv6Works;
  return {
    ipv6,
    rules: {
      4: rulesFor(4, settings, around.servers),
      6: ipv6 ? rulesFor(6, settings, around.servers) : NO_RULES,
    },
    notes: [
      ...(wanted && !ipv6Works ? ["IPv6 is not captured: ip6tables does not work here"] : []),
      ...(settings.dns === "servers" && !capturesDns(settings, around.servers)
        ? ["DNS is not captured: resolv.conf has no server and CAPTURE_ALL_DNS is not set"]
        : []),
    ],
  };
}

/** Reads the settings, with the names of this machine's groups. @throws {UsageError} naming the variable */
export async function captureSettingsHere(variables: Variables): Promise<CaptureSettings> {
  return captureSettings(variables, await Deno.readTextFile("/etc/group").catch(() => ""));
}

export async function surroundingsHere(): Promise<Surroundings> {
  const resolvConf = await Deno.readTextFile("/etc/resolv.conf").catch(() => "");
  const addresses = Deno.networkInterfaces().map(({ address }) => address);
  return { servers: dnsServers(resolvConf), addresses };
}
