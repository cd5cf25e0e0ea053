import type { DnsServers } from "./resolv_conf.ts";
import type { Family } from "./family.ts";
import type { OwnTable } from "./rules.ts";
import type { CaptureSettings } from "./settings.ts";

/** Where the agent answers DNS, over TCP and UDP. */
const AGENT_PORT = 15_053;

/** Zone of what goes between the agent and the DNS servers, and of what goes between the app and the agent. */
const ZONE = { upstream: 1, app: 2 } as const;

/** Rules of ISTIO_OUTPUT_DNS in table nat; none where this family's DNS is not captured. */
export function dnsOutput(family: Family, settings: CaptureSettings, servers: DnsServers): string[] {
  const captured = capturedServers(family, settings, servers);
  return ["tcp", "udp"].flatMap((protocol) =>
    captured.map((to) =>
      `${matching("-d", to)}-p ${protocol} -m ${protocol} --dport 53 -j REDIRECT --to-ports ${AGENT_PORT}`
    )
  );
}

/**
 * Rules of table raw. The agent asks the same server that the app asked, maybe from the port the app used: without
 * zones conntrack takes the two for one connection and gives the app's answer to the agent (istio/istio#33469).
 */
export function dnsZones(family: Family, settings: CaptureSettings, servers: DnsServers): OwnTable {
  const captured = capturedServers(family, settings, servers);
  const owners = [
    ...settings.proxyUids.map((uid) => `--uid-owner ${uid}`),
    ...settings.proxyGids.map((gid) => `--gid-owner ${gid}`),
  ];
  return {
    chains: {
      ISTIO_OUTPUT_DNS: [
        ...owners.flatMap((owner) => [
          // Only to where the answers get the same zone: Istio leaves those of other servers to be taken for new
          // connections, which a stateful firewall drops.
          ...captured.map((to) =>
            `${matching("-d", to)}-p udp -m udp --dport 53 -m owner ${owner} -j CT --zone ${ZONE.upstream}`
          ),
          `-p udp -m udp --sport ${AGENT_PORT} -m owner ${owner} -j CT --zone ${ZONE.app}`,
        ]),
        ...captured.map((to) => `${matching("-d", to)}-p udp -m udp --dport 53 -j CT --zone ${ZONE.app}`),
      ],
      ISTIO_INBOUND: captured.map((from) =>
        `${matching("-s", from)}-p udp -m udp --sport 53 -j CT --zone ${ZONE.upstream}`
      ),
    },
    jumps: [{ from: "PREROUTING", rule: "-j ISTIO_INBOUND" }, { from: "OUTPUT", rule: "-j ISTIO_OUTPUT_DNS" }],
  };
}

/** Whether any family's DNS goes to the agent: without a server to take it from, none does. */
export function capturesDns(settings: CaptureSettings, servers: DnsServers): boolean {
  return settings.dns === "all" || (settings.dns === "servers" && servers[4].length + servers[6].length > 0);
}

/** Addresses whose DNS is captured; undefined stands for any. */
function capturedServers(
  family: Family,
  settings: CaptureSettings,
  servers: DnsServers,
): readonly (string | undefined)[] {
  if (settings.dns === "none") return [];
  return settings.dns === "all" ? [undefined] : servers[family];
}

function matching(option: string, address: string | undefined): string {
  return address === undefined ? "" : `${option} ${address} `;
}
