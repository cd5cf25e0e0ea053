/**
 * Why DNS has zones of conntrack, against `pilot-agent istio-iptables`: the agent may ask from a port that the app asked
 * from, and a stateful firewall has to know its answers. Needs root, iptables and pilot-agent.
 */
import assert from "node:assert/strict";
import { RESOLV_CONF, UDP_LISTENERS } from "./capture_packets.ts";
import type { Packet } from "./capture_packets_program.ts";
import { applyOurs, applyReference, cannotCompare } from "./capture_reference.ts";
import type { Case } from "./capture_settings_table.ts";
import { Program, type Sender, Stand } from "./capture_stand.ts";

const because = await cannotCompare();
const title = "capture: DNS of the app and of the agent are kept apart";

const SERVERS = ["198.18.32.53", "fd00:32::53"];
const OTHERS = ["198.18.16.5", "fd00:16::5"];

const CASES: readonly Case[] = [
  { name: "servers of resolv.conf", variables: { ISTIO_META_DNS_CAPTURE: "true" }, ipv6: true },
  { name: "all servers", variables: { ISTIO_META_DNS_CAPTURE: "true", CAPTURE_ALL_DNS: "true" }, ipv6: true },
];

/** Answers that nobody asked for, to the mind of conntrack, do not come in. */
const FIREWALL = "*filter\n-A INPUT -i eth0 -p udp -m conntrack --ctstate NEW -j DROP\nCOMMIT\n";

const PROXIES: readonly Sender[] = ["proxy", "proxy's user", "proxy's group"];

Deno.test({
  name: because ? `${title} (${because})` : title,
  ignore: because !== undefined,
  async fn(test) {
    await using stack = new AsyncDisposableStack();
    const program = stack.use(await Program.install());
    const ours = stack.use(await Stand.make(program, RESOLV_CONF, UDP_LISTENERS));
    const theirs = stack.use(await Stand.make(program, RESOLV_CONF, UDP_LISTENERS));
    for (const { app } of [ours, theirs]) {
      for (const restore of ["iptables-nft-restore", "ip6tables-nft-restore"]) {
        await app.restore(FIREWALL, restore, "--noflush");
      }
    }
    let port = 30_000;
    for (const row of CASES) {
      await test.step(row.name, async () => {
        const [capture] = await Promise.all([applyOurs(row, ours), applyReference(row, theirs)]);
        await using _capture = capture;
        for (const proxy of PROXIES) {
          const first = port;
          port += 10;
          // The second ask from the ports of the first, while conntrack still knows these.
          for (const [one, other] of [["app", proxy], [proxy, "app"]] as const) {
            const packets = [...asks(one, SERVERS, first), ...asks(other, SERVERS, first + 4)];
            const expected = packets.map(({ sender }) => sender === "app" ? "own:15053" : "peer:53");
            assert.deepEqual(await ours.send(packets), expected, `${one} first`);
            assert.deepEqual(await theirs.send(packets), expected, `Istio: ${one} first`);
          }
        }
        const unlisted = asks("proxy", OTHERS, port += 10);
        assert.deepEqual(await ours.send(unlisted), ["peer:53", "peer:53"]);
        // Istio's rules take the question to one zone and leave the answer in another.
        const lost = row.variables["CAPTURE_ALL_DNS"] ? "peer:53" : "TimeoutError";
        assert.deepEqual(await theirs.send(unlisted), [lost, lost]);
      });
    }
  },
});

function asks(sender: Sender, servers: readonly string[], firstPort: number): (Packet & { sender: Sender })[] {
  return servers.map((address, at) => ({
    sender,
    protocol: "udp",
    address,
    port: 53,
    source: { address: address.includes(":") ? "::" : "0.0.0.0", port: firstPort + at },
  }));
}
