/**
 * Our rules and those of `pilot-agent istio-iptables`, in two namespaces that are alike: every packet arrives at the
 * same place in both. Needs root, iptables and pilot-agent (PILOT_AGENT_BIN, or in PATH).
 */
import assert from "node:assert/strict";
import { captureSettings, dnsServers, startCapture } from "../../lib/capture/mod.ts";
import { cannotHaveNamespaces } from "./capture_namespaces.ts";
import { describePacket, packets, RESOLV_CONF, UDP_LISTENERS } from "./capture_packets.ts";
import { ANOTHER_PROXY, type Case, CASES, referenceArguments } from "./capture_settings_table.ts";
import { Program, Stand } from "./capture_stand.ts";

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
const because = reference ? await cannotHaveNamespaces() : "needs pilot-agent (PILOT_AGENT_BIN)";
const title = "capture: the verdicts are those of pilot-agent istio-iptables";

Deno.test({
  name: because ? `${title} (${because})` : title,
  ignore: because !== undefined,
  async fn(test) {
    await using stack = new AsyncDisposableStack();
    const program = stack.use(await Program.install());
    const ours = stack.use(await Stand.make(program, RESOLV_CONF, UDP_LISTENERS));
    const theirs = stack.use(await Stand.make(program, RESOLV_CONF, UDP_LISTENERS));
    const seen = new Set<string>();
    for (const row of CASES) {
      await test.step(row.name, async () => {
        const verdicts = await compare(row, ours, theirs);
        for (const verdict of verdicts) seen.add(verdict);
        // Nothing gets lost, and the agent's answers come from the address that was asked.
        const odd = verdicts.filter((verdict) => !/^(own|peer):\d+$/.test(verdict));
        if (row.name !== ANOTHER_PROXY) assert.deepEqual(odd, []);
      });
    }
    await test.step("every place was reached", () => {
      const places = ["own:15001", "own:15006", "own:15053", "own:80", "own:53", "peer:80", "peer:53", "peer:15008"];
      assert.deepEqual(places.filter((place) => !seen.has(place)), []);
    });
  },
});

/** @returns the verdicts of ours */
async function compare(row: Case, ours: Stand, theirs: Stand): Promise<string[]> {
  const settings = captureSettings({
    ...row.variables,
    KRUN_CAPTURE_IPV6: row.ipv6 ? "on" : "off",
    KRUN_IPTABLES_BACKEND: row.backend ?? "nft",
  });
  const around = { servers: dnsServers(RESOLV_CONF), addresses: [] };
  const [capture] = await Promise.all([
    startCapture("required", { settings, around, run: ours.app.run }),
    applyReference(row, theirs),
  ]);
  await using _capture = capture;
  const sent = packets();
  const [own, expected] = await Promise.all([ours.send(sent), theirs.send(sent)]);
  const differing: string[] = [];
  sent.forEach((packet, at) => {
    const differs = row.differs?.packets(packet) ? row.differs : undefined;
    if (own[at] === (differs?.ours ?? expected[at]) && (!differs || expected[at] === differs.istio)) return;
    differing.push(
      `${describePacket(packet)}: ${own[at]}, Istio: ${expected[at]}${differs ? ` (${differs.why})` : ""}`,
    );
  });
  assert.deepEqual(differing, []);
  return own;
}

async function applyReference(row: Case, { app }: Stand): Promise<void> {
  for (const program of ["iptables", "ip6tables"]) await app.restore(EMPTY, `${program}-nft-restore`);
  if (row.backend === "legacy") {
    for (const program of ["iptables", "ip6tables"]) await app.restore(EMPTY, `${program}-legacy-restore`);
  }
  const { args, variables } = referenceArguments(row);
  const output = await app.run("env", [...variables, reference!, ...args]);
  assert.equal(output?.code, 0, `${output?.stdout}\n${output?.stderr}`);
}
