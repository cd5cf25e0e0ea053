import type { DnsServers } from "./resolv_conf.ts";
import { capturesDns, dnsOutput, dnsZones } from "./dns_rules.ts";
import type { Family } from "./family.ts";
import type { CaptureSettings } from "./settings.ts";

/** Chains that are ours, in whatever table: the names of Istio's, so that its rules and ours do not stand side by side. */
export const OWN_CHAINS = [
  "ISTIO_INBOUND",
  "ISTIO_OUTPUT",
  "ISTIO_OUTPUT_DNS",
  "ISTIO_REDIRECT",
  "ISTIO_IN_REDIRECT",
  "ISTIO_DROP",
] as const;

export type OwnChain = typeof OWN_CHAINS[number];
export type TableName = "mangle" | "nat" | "raw";

/** A rule of a built-in chain that leads into one of ours. */
export interface Jump {
  readonly from: string;
  /** The rule without its chain, as of `iptables-save`: `-p tcp -j ISTIO_INBOUND`. */
  readonly rule: string;
  /** Place in the chain, from 1; without one it is the last. */
  readonly at?: number;
}

/** What is ours in one table. */
export interface OwnTable {
  readonly chains: Readonly<Record<string, readonly string[]>>;
  readonly jumps: readonly Jump[];
}

/** What is ours in the tables of one family; a table that is not there has nothing of ours. */
export type RuleSet = Readonly<Partial<Record<TableName, OwnTable>>>;

/**
 * The rules of one family, with the verdicts of Istio's (tools/istio-iptables/pkg/capture/run.go of release 1.31).
 * Unlike there, rules about interfaces stand in chains of ours: a RETURN in a built-in chain ends it for the rules
 * of others that come after it.
 */
export function rulesFor(family: Family, settings: CaptureSettings, servers: DnsServers): RuleSet {
  const inbound = [...fromVirtualMachines(family, settings), ...inboundRules(settings)];
  const dns = dnsOutput(family, settings, servers);
  const chains: Partial<Record<OwnChain, readonly string[]>> = {
    ...(inbound.length > 0 ? { ISTIO_INBOUND: inbound } : {}),
    ISTIO_OUTPUT: outputRules(family, settings, { anyFamily: capturesDns(settings, servers), here: dns.length > 0 }),
    ...(dns.length > 0 ? { ISTIO_OUTPUT_DNS: dns } : {}),
    ISTIO_REDIRECT: [`-p tcp -j REDIRECT --to-ports ${settings.outboundPort}`],
    ISTIO_IN_REDIRECT: [`-p tcp -j REDIRECT --to-ports ${settings.inboundPort}`],
  };
  const jumps = [
    ...(inbound.length > 0 ? [{ from: "PREROUTING", rule: "-p tcp -j ISTIO_INBOUND" }] : []),
    { from: "OUTPUT", rule: "-j ISTIO_OUTPUT" },
  ];
  const raw = dns.length > 0 ? dnsZones(family, settings, servers) : undefined;
  return {
    ...(settings.dropInvalid ? { mangle: DROP_INVALID } : {}),
    nat: { chains, jumps },
    ...(raw ? { raw } : {}),
  };
}

const DROP_INVALID: OwnTable = {
  chains: { ISTIO_DROP: ["-j DROP"] },
  jumps: [{ from: "PREROUTING", rule: "-m conntrack --ctstate INVALID -j ISTIO_DROP" }],
};

/** No rule of ours: what cleanup leaves, and a family that is off. */
export const NO_RULES: RuleSet = {};

function fromVirtualMachines(family: Family, settings: CaptureSettings): string[] {
  return settings.kubeVirtInterfaces.flatMap((name) => [
    ...destinations(family, settings.outboundRanges).map((to) => `${to}-i ${name} -p tcp -j ISTIO_REDIRECT`),
    `-i ${name} -j RETURN`,
  ]);
}

function inboundRules(settings: CaptureSettings): string[] {
  const { inboundPorts, tunnelPort } = settings;
  if (inboundPorts.length === 0) return [];
  return [
    ...settings.excludedInterfaces.map((name) => `-i ${name} -j RETURN`),
    // Who speaks HBONE has a certificate: the proxy listens there itself.
    `-p tcp -m tcp --dport ${tunnelPort} -j RETURN`,
    ...(inboundPorts === "all"
      ? [
        ...settings.inboundPortsExcluded.map((port) => `-p tcp -m tcp --dport ${port} -j RETURN`),
        "-p tcp -j ISTIO_IN_REDIRECT",
      ]
      : inboundPorts.map((port) => `-p tcp -m tcp --dport ${port} -j ISTIO_IN_REDIRECT`)),
  ];
}

function outputRules(
  family: Family,
  settings: CaptureSettings,
  dns: { anyFamily: boolean; here: boolean },
): string[] {
  const loopback = family === 4 ? settings.ipv4Loopback : "::1/128";
  // Envoy binds connections to the app to this address where the app must not see them come from itself.
  const passthrough = family === 4 ? "127.0.0.6/32" : "::6/128";
  return [
    ...settings.excludedInterfaces.map((name) => `-o ${name} -j RETURN`),
    ...settings.outboundPortsExcluded.flatMap((port) =>
      ["tcp", "udp"].map((protocol) => `-p ${protocol} -m ${protocol} --dport ${port} -j RETURN`)
    ),
    `-s ${passthrough} -o lo -j RETURN`,
    ...settings.proxyUids.flatMap((uid) => proxyRules(`--uid-owner ${uid}`, loopback, settings, dns.anyFamily)),
    ...settings.proxyGids.flatMap((gid) => proxyRules(`--gid-owner ${gid}`, loopback, settings, dns.anyFamily)),
    ...groupRules(settings),
    ...(dns.here ? ["-j ISTIO_OUTPUT_DNS"] : []),
    `-d ${loopback} -j RETURN`,
    ...destinations(family, settings.outboundRangesExcluded).map((to) => `${to}-j RETURN`),
    ...settings.outboundPorts.map((port) => `-p tcp -m tcp --dport ${port} -j ISTIO_REDIRECT`),
    ...destinations(family, settings.outboundRanges).map((to) => `${to}-j ISTIO_REDIRECT`),
  ];
}

function proxyRules(owner: string, loopback: string, settings: CaptureSettings, dns: boolean): string[] {
  const { outboundRanges, tunnelPort } = settings;
  // A call of the app to itself by the service's address comes back from Envoy: it is inbound then. The agent's
  // question to a DNS server on an address of this instance is not.
  const ports = dns ? `-m multiport ! --dports 53,${tunnelPort}` : `-m tcp ! --dport ${tunnelPort}`;
  const includesLoopback = outboundRanges !== "all" && outboundRanges.some((range) => range.loopback);
  return [
    `! -d ${loopback} -o lo -p tcp ${ports} -m owner ${owner} -j ISTIO_IN_REDIRECT`,
    // The app's calls to its own address are not the mesh's, but DNS to a server on the loopback is the agent's.
    ...(includesLoopback ? [] : [
      dns ? `-o lo -p tcp -m tcp ! --dport 53 -m owner ! ${owner} -j RETURN` : `-o lo -m owner ! ${owner} -j RETURN`,
    ]),
    `-m owner ${owner} -j RETURN`,
  ];
}

function groupRules({ ownerGroups, ownerGroupsExcluded }: CaptureSettings): string[] {
  if (ownerGroups === "all") return ownerGroupsExcluded.map((group) => `-m owner --gid-owner ${group} -j RETURN`);
  return [[...ownerGroups.map((group) => `-m owner ! --gid-owner ${group}`), "-j RETURN"].join(" ")];
}

/** `-d <range> ` of each range of the family; of all of them, nothing to match. */
function destinations(family: Family, ranges: CaptureSettings["outboundRanges"]): string[] {
  if (ranges === "all") return [""];
  return ranges.filter((range) => range.family === family).map((range) => `-d ${range.text} `);
}
