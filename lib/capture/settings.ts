import { parseRange, type Range } from "./address.ts";
import { names, own, parseRanges, ports, readGroups, type Variables, words } from "./variables.ts";

/** Which traffic is captured. Ports are texts as iptables takes them: `8080`, or `8080:8090` for a range. */
export interface CaptureSettings {
  /** Destinations that go to the proxy. @default 10.0.0.0/8, as in the original */
  readonly outboundRanges: "all" | readonly Range[];
  readonly outboundRangesExcluded: readonly Range[];
  /** Ports that go to the proxy whatever the destination. @default none */
  readonly outboundPorts: readonly string[];
  /** Ports, of TCP and UDP, that never do. @default 15008 and 15009, the tunnels */
  readonly outboundPortsExcluded: readonly string[];
  /** @default none: krun's tunnel brings what comes in */
  readonly inboundPorts: "all" | readonly string[];
  /** Only looked at where all inbound ports are captured. */
  readonly inboundPortsExcluded: readonly string[];
  /** Numeric groups whose processes are captured. @default all */
  readonly ownerGroups: "all" | readonly string[];
  /** Only looked at where all groups are captured. */
  readonly ownerGroupsExcluded: readonly string[];
  /** Neither what leaves by them nor what comes in by them is captured; `eth+` is every one that begins with eth. */
  readonly excludedInterfaces: readonly string[];
  /** Interfaces of virtual machines: what comes in by them is treated as outbound. */
  readonly kubeVirtInterfaces: readonly string[];
  /** The proxy's own users and groups, which are never captured. @default 1337 */
  readonly proxyUids: readonly string[];
  readonly proxyGids: readonly string[];
  /** Which DNS goes to the agent: none, what is for the servers of resolv.conf, or everything on port 53. @default none */
  readonly dns: "none" | "servers" | "all";
  /** Drops packets that belong to no connection, instead of the kernel's reset. @default false */
  readonly dropInvalid: boolean;
  /** @default auto: where istiod and the agent take the instance for one with IPv6 */
  readonly ipv6: "on" | "off" | "auto";
  /** Istio's dual stack, which `auto` looks at. @default false */
  readonly dualStack: boolean;
  /** Destinations on `lo` that are the app itself. @default 127.0.0.1/32 */
  readonly ipv4Loopback: string;
  /** Where captured connections go to. @default 15001, 15006, 15008 */
  readonly outboundPort: string;
  readonly inboundPort: string;
  readonly tunnelPort: string;
  /** Which programs to use. @default auto */
  readonly backend: "auto" | "nft" | "legacy";
}

/**
 * Reads the settings from variables: the original's names and, where those are not there, the ones that
 * `pilot-agent istio-iptables` reads. An empty list is one: `OUTBOUND_IP_RANGES_INCLUDE=` captures no range.
 * @param groups text of /etc/group, for groups given by name
 * @throws {UsageError} naming the variable
 */
export function captureSettings(variables: Variables, groups = ""): CaptureSettings {
  const uids = own(variables, ["PROXY_UID"], (text) => words(text).map(id)) ?? ["1337"];
  const captured = toggle(variables, ["ISTIO_META_DNS_CAPTURE", "REDIRECT_DNS"]) ?? false;
  const everyServer = toggle(variables, ["CAPTURE_ALL_DNS"]) ?? false;
  const group = readGroups(groups);
  return {
    outboundRanges: own(
      variables,
      ["OUTBOUND_IP_RANGES_INCLUDE", "ISTIO_SERVICE_CIDR"],
      (text) => text.trim() === "*" ? "all" : parseRanges(text),
    ) ?? [parseRange("10.0.0.0/8")],
    outboundRangesExcluded: own(variables, ["OUTBOUND_IP_RANGES_EXCLUDE", "ISTIO_SERVICE_EXCLUDE_CIDR"], parseRanges) ??
      [],
    outboundPorts: own(variables, ["OUTBOUND_PORTS_INCLUDE", "ISTIO_OUTBOUND_PORTS"], ports) ?? [],
    outboundPortsExcluded: own(variables, ["OUTBOUND_PORTS_EXCLUDE", "ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE"], ports) ??
      ["15008", "15009"],
    inboundPorts: own(variables, ["INBOUND_PORTS_INCLUDE", "ISTIO_INBOUND_PORTS"], allOr(ports)) ?? [],
    inboundPortsExcluded: own(variables, ["INBOUND_PORTS_EXCLUDE", "ISTIO_LOCAL_EXCLUDE_PORTS"], ports) ?? [],
    ownerGroups:
      own(variables, ["OUTBOUND_OWNER_GROUPS_INCLUDE", "ISTIO_OUTBOUND_OWNER_GROUPS"], allOr(included(group))) ?? "all",
    ownerGroupsExcluded: own(
      variables,
      ["OUTBOUND_OWNER_GROUPS_EXCLUDE", "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE"],
      (text) => words(text).map(group),
    ) ?? [],
    excludedInterfaces: own(variables, ["EXCLUDE_INTERFACES", "ISTIO_EXCLUDE_INTERFACES"], names) ?? [],
    kubeVirtInterfaces: own(variables, ["KUBE_VIRT_INTERFACES"], names) ?? [],
    proxyUids: uids,
    proxyGids: own(variables, ["PROXY_GID"], (text) => words(text).map(id)) ?? uids,
    dns: !captured ? "none" : everyServer ? "all" : "servers",
    dropInvalid: toggle(variables, ["DROP_INVALID", "INVALID_DROP"]) ?? false,
    ipv6: own(variables, ["KRUN_CAPTURE_IPV6"], choice("on", "off", "auto")) ?? "auto",
    dualStack: toggle(variables, ["ISTIO_DUAL_STACK", "DUAL_STACK"]) ?? false,
    ipv4Loopback: own(variables, ["ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR"], loopback) ?? "127.0.0.1/32",
    outboundPort: own(variables, ["ENVOY_PORT"], onePort) ?? "15001",
    inboundPort: own(variables, ["INBOUND_CAPTURE_PORT"], onePort) ?? "15006",
    tunnelPort: own(variables, ["INBOUND_TUNNEL_PORT"], onePort) ?? "15008",
    backend: own(variables, ["KRUN_IPTABLES_BACKEND", "FORCE_IPTABLES_BINARY"], choice("auto", "nft", "legacy")) ??
      "auto",
  };
}

/** xt_owner takes one group a match, and distributions allow 128 to 1,200 matches a rule: Istio's own limit. */
const MOST_GROUPS = 64;

function included(group: (text: string) => string): (text: string) => string[] {
  return (text) => {
    const groups = words(text).map(group);
    if (groups.length > MOST_GROUPS) throw new RangeError(`${MOST_GROUPS} groups at most instead of ${groups.length}`);
    return groups;
  };
}

function allOr(read: (text: string) => string[]): (text: string) => "all" | string[] {
  return (text) => text.trim() === "*" ? "all" : read(text);
}

function id(text: string): string {
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1) return String(Number(text));
  throw new RangeError(`numeric ids instead of "${text}"`);
}

function onePort(text: string): string {
  const [port, ...more] = ports(text);
  if (port === undefined || port.includes(":") || more.length > 0) throw new RangeError("one port");
  return port;
}

function loopback(text: string): string {
  const range = parseRange(text);
  if (range.family === 4 && range.loopback && Number(range.text.split("/")[1]) >= 8) return range.text;
  throw new RangeError("a range of 127.0.0.0/8");
}

function toggle(variables: Variables, variableNames: readonly string[]): boolean | undefined {
  return own(variables, variableNames, (text) => {
    if (/^(1|t|true|yes|on)$/i.test(text)) return true;
    if (/^(0|f|false|no|off|)$/i.test(text)) return false;
    throw new RangeError("true or false");
  });
}

function choice<const T extends string>(...among: readonly T[]): (text: string) => T {
  return (text) => {
    const word = among.find((word) => word === text.trim().toLowerCase());
    if (!word) throw new RangeError(`one of ${among.join(", ")}`);
    return word;
  };
}
