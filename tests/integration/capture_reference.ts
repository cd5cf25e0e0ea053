/** The same settings by our rules and by `pilot-agent istio-iptables`, each in its own namespace. */
import assert from "node:assert/strict";
import { captureSettings, dnsServers, startCapture } from "../../lib/capture/mod.ts";
import { cannotHaveNamespaces } from "./capture_namespaces.ts";
import { RESOLV_CONF } from "./capture_packets.ts";
import type { Case } from "./capture_settings_table.ts";
import type { Stand } from "./capture_stand.ts";

const EMPTY = "*mangle\nCOMMIT\n*nat\nCOMMIT\n*raw\nCOMMIT\n";

async function pilotAgent(): Promise<string | undefined> {
  const places = [
    Deno.env.get("PILOT_AGENT_BIN"),
    ...(Deno.env.get("PATH") ?? "").split(":").map((d) => `${d}/pilot-agent`),
  ];
  for (const place of places) if (place && await Deno.stat(place).catch(() => undefined)) return place;
  return undefined;
}

const reference = await pilotAgent();

/** Why the two cannot be compared here, or undefined. */
export async function cannotCompare(): Promise<string | undefined> {
  return reference ? await cannotHaveNamespaces() : "needs pilot-agent (PILOT_AGENT_BIN)";
}

export function applyOurs(row: Case, { app }: Stand): Promise<AsyncDisposable> {
  const settings = captureSettings({
    ...row.variables,
    KRUN_CAPTURE_IPV6: row.ipv6 ? "on" : "off",
    KRUN_IPTABLES_BACKEND: row.backend ?? "nft",
  });
  return startCapture("required", {
    settings,
    around: { servers: dnsServers(RESOLV_CONF), addresses: [] },
    run: app.run,
  });
}

/** In place of the rules of the setting before. */
export async function applyReference(row: Case, { app }: Stand): Promise<void> {
  for (const program of ["iptables", "ip6tables"]) await app.restore(EMPTY, `${program}-nft-restore`);
  if (row.backend === "legacy") {
    for (const program of ["iptables", "ip6tables"]) await app.restore(EMPTY, `${program}-legacy-restore`);
  }
  const { args, variables } = referenceArguments(row);
  const output = await app.run("env", [...variables, reference!, ...args]);
  assert.equal(output?.code, 0, `${output?.stdout}\n${output?.stderr}`);
}

/** Our variables → flags of `pilot-agent istio-iptables`, see its --help. */
const FLAGS: Readonly<Record<string, string>> = {
  OUTBOUND_IP_RANGES_INCLUDE: "--istio-service-cidr",
  OUTBOUND_IP_RANGES_EXCLUDE: "--istio-service-exclude-cidr",
  OUTBOUND_PORTS_INCLUDE: "--istio-outbound-ports",
  OUTBOUND_PORTS_EXCLUDE: "--istio-local-outbound-ports-exclude",
  INBOUND_PORTS_INCLUDE: "--istio-inbound-ports",
  INBOUND_PORTS_EXCLUDE: "--istio-local-exclude-ports",
  EXCLUDE_INTERFACES: "--istio-exclude-interfaces",
  KUBE_VIRT_INTERFACES: "--kube-virt-interfaces",
  PROXY_UID: "--proxy-uid",
  PROXY_GID: "--proxy-gid",
  ISTIO_META_DNS_CAPTURE: "--redirect-dns",
  CAPTURE_ALL_DNS: "--capture-all-dns",
  DROP_INVALID: "--drop-invalid",
  ENVOY_PORT: "--envoy-port",
  INBOUND_CAPTURE_PORT: "--inbound-capture-port",
  INBOUND_TUNNEL_PORT: "--inbound-tunnel-port",
};

/** Settings that are variables there too. */
const VARIABLES: Readonly<Record<string, string>> = {
  OUTBOUND_OWNER_GROUPS_INCLUDE: "ISTIO_OUTBOUND_OWNER_GROUPS",
  OUTBOUND_OWNER_GROUPS_EXCLUDE: "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE",
  ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR",
};

/** The original's defaults, which the reference has none of. */
const DEFAULTS = {
  OUTBOUND_IP_RANGES_INCLUDE: "10.0.0.0/8",
  OUTBOUND_PORTS_EXCLUDE: "15008,15009",
  PROXY_UID: "1337",
};

function referenceArguments(
  { variables, backend = "nft", ipv6 }: Case,
): { args: string[]; variables: string[] } {
  const all = Object.entries({ ...DEFAULTS, ...variables });
  const known = (name: string) => name in FLAGS || name in VARIABLES;
  for (const [name] of all) if (!known(name)) throw new Error(`${name} has no counterpart`);
  return {
    args: [
      "istio-iptables",
      "--istio-inbound-interception-mode=REDIRECT",
      `--force-iptables-binary=${backend}`,
      `--dual-stack=${ipv6 === true}`,
      ...all.flatMap(([name, value]) => FLAGS[name] ? [`${FLAGS[name]}=${value}`] : []),
    ],
    variables: all.flatMap(([name, value]) => VARIABLES[name] ? [`${VARIABLES[name]}=${value}`] : []),
  };
}
