/** Settings of the differential test: ours, the same for `pilot-agent istio-iptables`, and where they differ on purpose. */
import type { Packet } from "./capture_packets_program.ts";
import type { Sender } from "./capture_stand.ts";

export interface Difference {
  packets: (packet: Packet & { sender: Sender }) => boolean;
  ours: string;
  istio: string;
  why: string;
}

export interface Case {
  name: string;
  variables: Record<string, string>;
  backend?: "nft" | "legacy";
  /** @default false: IPv4 alone */
  ipv6?: boolean;
  differs?: Difference;
}

const IN = "198.18.16.0/20,fd00:16::/32";
const BOTH = "198.18.16.0/20,198.18.32.0/20,fd00:16::/32,fd00:32::/32";
const DNS = { ISTIO_META_DNS_CAPTURE: "true" };
const ALL_DNS = { ...DNS, CAPTURE_ALL_DNS: "true" };

/** The proxy's group asks a DNS server on an address of this instance. */
const groupDns = (addresses: readonly string[]): Difference => ({
  packets: ({ sender, protocol, address, port }) =>
    sender === "proxy's group" && protocol === "tcp" && port === 53 && addresses.includes(address),
  ours: "own:53",
  istio: "own:15006",
  why: "Istio keeps DNS out of this rule for the proxy's user and forgets it for its group: " +
    "agent → Envoy inbound → DNS server, which its own comment wants to avoid",
});
const IPV4_DNS = { differs: groupDns(["198.18.0.2"]) };
const DUAL_DNS = { differs: groupDns(["198.18.0.2", "fd00:0:0:1::2"]) };

/** The one in which the processes of user 1337 are apps. */
export const ANOTHER_PROXY = "another proxy user";

export const CASES: readonly Case[] = [
  { name: "defaults of the original", variables: {} },
  { name: "defaults, IPv6", variables: {}, ipv6: true },
  { name: "one range", variables: { OUTBOUND_IP_RANGES_INCLUDE: IN }, ipv6: true },
  { name: "two ranges", variables: { OUTBOUND_IP_RANGES_INCLUDE: BOTH }, ipv6: true },
  { name: "a range with host bits", variables: { OUTBOUND_IP_RANGES_INCLUDE: "198.18.17.7/20" } },
  { name: "one address", variables: { OUTBOUND_IP_RANGES_INCLUDE: "198.18.16.5/32,fd00:16::5/128" }, ipv6: true },
  { name: "all ranges", variables: { OUTBOUND_IP_RANGES_INCLUDE: "*" }, ipv6: true },
  { name: "all ranges, IPv4 alone", variables: { OUTBOUND_IP_RANGES_INCLUDE: "*" } },
  { name: "no range", variables: { OUTBOUND_IP_RANGES_INCLUDE: "" }, ipv6: true },
  {
    name: "all but a range",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", OUTBOUND_IP_RANGES_EXCLUDE: IN },
    ipv6: true,
  },
  {
    name: "a range within an excluded one",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "198.18.16.5/32", OUTBOUND_IP_RANGES_EXCLUDE: "198.18.0.0/15" },
  },
  {
    name: "the loopback included",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "127.0.0.0/8,198.18.0.0/24,::1/128,fd00::/16" },
    ipv6: true,
  },
  {
    name: "the loopback and DNS",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "127.0.0.1/32,198.18.0.0/24", ...DNS },
    ...IPV4_DNS,
  },
  {
    name: "another range for the app's own loopback",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "127.0.0.0/8", ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: "127.0.0.0/29" },
  },
  { name: "a port", variables: { OUTBOUND_PORTS_INCLUDE: "443" }, ipv6: true },
  {
    name: "ports, no range",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "", OUTBOUND_PORTS_INCLUDE: "443,9090" },
    ipv6: true,
  },
  {
    name: "a port in an excluded range",
    variables: { OUTBOUND_IP_RANGES_EXCLUDE: IN, OUTBOUND_PORTS_INCLUDE: "80" },
    ipv6: true,
  },
  { name: "a range of ports", variables: { OUTBOUND_PORTS_INCLUDE: "440:8080" } },
  {
    name: "no port excluded",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", OUTBOUND_PORTS_EXCLUDE: "" },
    ipv6: true,
  },
  {
    name: "ports excluded",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", OUTBOUND_PORTS_EXCLUDE: "80,8080" },
    ipv6: true,
  },
  {
    name: "a port included and excluded",
    variables: { OUTBOUND_PORTS_INCLUDE: "443,80", OUTBOUND_PORTS_EXCLUDE: "443" },
  },
  { name: "DNS of resolv.conf", variables: { ...DNS }, ipv6: true, ...DUAL_DNS },
  { name: "DNS of resolv.conf, IPv4 alone", variables: { ...DNS }, ...IPV4_DNS },
  { name: "all DNS", variables: { ...ALL_DNS }, ipv6: true, ...DUAL_DNS },
  { name: "all DNS, all ranges", variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", ...ALL_DNS }, ipv6: true, ...DUAL_DNS },
  { name: "DNS but port 53 excluded", variables: { ...ALL_DNS, OUTBOUND_PORTS_EXCLUDE: "53" }, ipv6: true },
  { name: "all DNS without DNS capture", variables: { CAPTURE_ALL_DNS: "true" }, ipv6: true },
  { name: "all inbound ports", variables: { INBOUND_PORTS_INCLUDE: "*" }, ipv6: true },
  {
    name: "all inbound ports but some",
    variables: { INBOUND_PORTS_INCLUDE: "*", INBOUND_PORTS_EXCLUDE: "22,8080" },
    ipv6: true,
  },
  { name: "some inbound ports", variables: { INBOUND_PORTS_INCLUDE: "80,9090" }, ipv6: true },
  {
    name: "some inbound ports, exclusions without effect",
    variables: { INBOUND_PORTS_INCLUDE: "80", INBOUND_PORTS_EXCLUDE: "80" },
  },
  { name: "another tunnel port", variables: { INBOUND_PORTS_INCLUDE: "*", INBOUND_TUNNEL_PORT: "8080" }, ipv6: true },
  {
    name: "a group",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", OUTBOUND_OWNER_GROUPS_INCLUDE: "2001" },
    ipv6: true,
  },
  {
    name: "two groups and DNS",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", OUTBOUND_OWNER_GROUPS_INCLUDE: "2001,0", ...ALL_DNS },
    ipv6: true,
    ...DUAL_DNS,
  },
  { name: "no group", variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", OUTBOUND_OWNER_GROUPS_INCLUDE: "" } },
  {
    name: "all but a group, and DNS",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", OUTBOUND_OWNER_GROUPS_EXCLUDE: "2001,7", ...DNS },
    ipv6: true,
    ...DUAL_DNS,
  },
  {
    name: "an interface excluded",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", INBOUND_PORTS_INCLUDE: "*", EXCLUDE_INTERFACES: "eth1" },
    ipv6: true,
  },
  {
    name: "an interface excluded, and DNS",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", EXCLUDE_INTERFACES: "eth1,eth7", ...ALL_DNS },
    ipv6: true,
    ...DUAL_DNS,
  },
  {
    name: "interfaces excluded by their beginning",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", INBOUND_PORTS_INCLUDE: "80", EXCLUDE_INTERFACES: "eth+" },
  },
  {
    name: "virtual machines, all ranges",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", KUBE_VIRT_INTERFACES: "kv0" },
    ipv6: true,
  },
  {
    name: "virtual machines, ranges, inbound",
    variables: {
      OUTBOUND_IP_RANGES_INCLUDE: "198.18.2.0/24,fd00:0:0:3::/64",
      KUBE_VIRT_INTERFACES: "kv0,kv1",
      INBOUND_PORTS_INCLUDE: "*",
    },
    ipv6: true,
  },
  {
    name: "virtual machines out of the ranges",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: IN, KUBE_VIRT_INTERFACES: "kv0", INBOUND_PORTS_INCLUDE: "*" },
    ipv6: true,
  },
  {
    name: "virtual machines by an excluded interface",
    variables: {
      OUTBOUND_IP_RANGES_INCLUDE: "198.18.2.0/24",
      KUBE_VIRT_INTERFACES: "kv0",
      EXCLUDE_INTERFACES: "kv0",
      INBOUND_PORTS_INCLUDE: "*",
    },
  },
  // What answers as the agent is not the proxy here: its answers come from where it listens, in both.
  {
    name: ANOTHER_PROXY,
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", PROXY_UID: "1001", PROXY_GID: "2001", ...DNS },
    ipv6: true,
  },
  {
    name: "two proxy users",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", PROXY_UID: "1337,1001", PROXY_GID: "1337" },
  },
  { name: "a proxy user alone", variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", PROXY_UID: "1001" } },
  {
    name: "other ports of the proxy",
    variables: {
      OUTBOUND_IP_RANGES_INCLUDE: IN,
      INBOUND_PORTS_INCLUDE: "80",
      ENVOY_PORT: "9090",
      INBOUND_CAPTURE_PORT: "443",
    },
    ipv6: true,
  },
  { name: "invalid packets dropped", variables: { DROP_INVALID: "true", INBOUND_PORTS_INCLUDE: "*" }, ipv6: true },
  {
    name: "legacy: everything",
    backend: "legacy",
    variables: { OUTBOUND_IP_RANGES_INCLUDE: "*", INBOUND_PORTS_INCLUDE: "*", DROP_INVALID: "true", ...ALL_DNS },
    ipv6: true,
    ...DUAL_DNS,
  },
  {
    name: "legacy: ranges, interfaces, groups",
    backend: "legacy",
    variables: {
      OUTBOUND_IP_RANGES_INCLUDE: BOTH,
      OUTBOUND_IP_RANGES_EXCLUDE: "198.18.32.5/32",
      EXCLUDE_INTERFACES: "eth1",
      KUBE_VIRT_INTERFACES: "kv0",
      OUTBOUND_OWNER_GROUPS_INCLUDE: "1000,2001",
      OUTBOUND_PORTS_INCLUDE: "9090",
      INBOUND_PORTS_INCLUDE: "80,8080",
    },
    ipv6: true,
  },
  { name: "legacy: DNS of resolv.conf", backend: "legacy", variables: { ...DNS }, ipv6: true, ...DUAL_DNS },
];
