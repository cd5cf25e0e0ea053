/** The same settings by our rules and by `pilot-agent istio-iptables`, each in its own namespace. */
import assert from "node:assert/strict";
import { captureSettings, dnsServers, startCapture } from "../../lib/capture/mod.ts";
import { cannotHaveNamespaces } from "./capture_namespaces.ts";
import { RESOLV_CONF } from "./capture_packets.ts";
import { type Case, referenceArguments } from "./capture_settings_table.ts";
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
