/**
 * Our rules and those of `pilot-agent istio-iptables`, in two namespaces that are alike: every packet arrives at the
 * same place in both. Needs root, iptables and pilot-agent (PILOT_AGENT_BIN, or in PATH).
 */
import assert from "node:assert/strict";
import { applyOurs, applyReference, cannotCompare } from "./capture_reference.ts";
import { describePacket, packets, RESOLV_CONF, UDP_LISTENERS } from "./capture_packets.ts";
import { ANOTHER_PROXY, type Case, CASES } from "./capture_settings_table.ts";
import { Program, Stand } from "./capture_stand.ts";

const because = await cannotCompare();
const title = "capture: the verdicts are those of pilot-agent istio-iptables";

/** Somebody's own, after ours. */
const FOREIGN = "*nat\n-A OUTPUT -o eth1 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n";

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
    await test.step("rules of others are reached on an excluded interface; Istio's end the chain there", async () => {
      const row = { name: "", variables: { EXCLUDE_INTERFACES: "eth1" } };
      const [capture] = await Promise.all([applyOurs(row, ours), applyReference(row, theirs)]);
      await using _capture = capture;
      const verdicts = [ours, theirs].map(async (stand) => {
        await stand.app.restore(FOREIGN, "iptables-nft-restore", "--noflush");
        return await stand.send([{ sender: "app", protocol: "tcp", address: "198.18.48.5", port: 80 }]);
      });
      assert.deepEqual(await Promise.all(verdicts), [["own:8080"], ["peer:80"]]);
    });
    await test.step("every place was reached", () => {
      const places = ["own:15001", "own:15006", "own:15053", "own:80", "own:53", "peer:80", "peer:53", "peer:15008"];
      assert.deepEqual(places.filter((place) => !seen.has(place)), []);
    });
  },
});

/** @returns the verdicts of ours */
async function compare(row: Case, ours: Stand, theirs: Stand): Promise<string[]> {
  const [capture] = await Promise.all([applyOurs(row, ours), applyReference(row, theirs)]);
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
