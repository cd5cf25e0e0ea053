/** The packets of the differential test. */
import type { Packet } from "./capture_packets_program.ts";
import type { Sender } from "./capture_stand.ts";
import { USERS } from "./capture_stand.ts";

/** A DNS server of resolv.conf each, another that is not one, and destinations in and out of the tables' ranges. */
export const RESOLV_CONF = "search svc.cluster.local\nnameserver 198.18.32.53\nnameserver fd00:32::53\n";

type Row = readonly [protocol: "tcp" | "udp", address: string, port: number, source?: string];

/** What a process of the app's namespace sends. */
const OUTGOING: readonly Row[] = [
  ...both("tcp", ["198.18.16.5", "fd00:16::5"], [80, 443, 8080, 15008, 15009, 53]),
  ...both("tcp", ["198.18.32.5", "fd00:32::5"], [80, 9090]),
  ...both("tcp", ["198.18.32.53", "fd00:32::53"], [53, 80]),
  ...both("tcp", ["198.18.48.5", "fd00:48::5"], [80, 53]),
  ...both("tcp", ["198.18.0.1", "fd00:0:0:1::1"], [80]),
  ...both("tcp", ["198.18.0.2", "fd00:0:0:1::2"], [80, 8080, 15008, 53]),
  ...both("tcp", ["198.18.1.2", "fd00:0:0:2::2"], [80]),
  ...both("tcp", ["127.0.0.1", "::1"], [80, 53]),
  ["tcp", "127.0.0.5", 80],
  ["tcp", "10.99.0.1", 80],
  ...both("udp", ["198.18.16.5", "fd00:16::5"], [53, 8080, 15008]),
  ...both("udp", ["198.18.32.53", "fd00:32::53"], [53]),
  ...both("udp", ["198.18.48.5", "fd00:48::5"], [53]),
  ...both("udp", ["127.0.0.1", "::1"], [53]),
  ...both("udp", ["198.18.0.2", "fd00:0:0:1::2"], [53]),
  ["udp", "198.18.0.2", 53, "127.0.0.6"],
  ["udp", "fd00:0:0:1::2", 53, "::6"],
];

/** What the peer sends to the app's addresses, by each link. */
const INCOMING: readonly Row[] = [
  ...both("tcp", ["198.18.0.2", "fd00:0:0:1::2"], [80, 8080, 9090, 22, 15008, 15006]),
  ...both("tcp", ["198.18.1.2", "fd00:0:0:2::2"], [80, 8080]),
  ...both("tcp", ["198.18.2.2", "fd00:0:0:3::2"], [80, 8080, 15008]),
  ...both("udp", ["198.18.0.2", "fd00:0:0:1::2"], [53]),
];

/** Where UDP is answered: at every destination, and where the agent answers DNS. */
export const UDP_LISTENERS: readonly { address: string; port: number }[] = [
  ...new Map(
    [...OUTGOING, ...INCOMING].filter(([protocol]) => protocol === "udp")
      .map(([, address, port]) => [`${address} ${port}`, { address, port }]),
  ).values(),
  { address: "127.0.0.1", port: 15_053 },
  { address: "::1", port: 15_053 },
];

let lastPort = 20_000;

/** Every packet, of every sender; UDP from a port that none had before: conntrack remembers verdicts for 30 s. */
export function packets(): (Packet & { sender: Sender })[] {
  const senders = Object.keys(USERS) as (keyof typeof USERS)[];
  return [
    ...senders.flatMap((sender) => OUTGOING.map((row) => ({ sender, ...packet(row) }))),
    ...INCOMING.map((row) => ({ sender: "peer" as const, ...packet(row) })),
  ];
}

export function describePacket({ sender, protocol, address, port, source }: Packet & { sender: Sender }): string {
  const from = source && !/^(0\.0\.0\.0|::)$/.test(source.address) ? ` from ${source.address}` : "";
  return `${sender} ${protocol} ${address} ${port}${from}`;
}

function packet([protocol, address, port, source]: Row): Packet {
  if (protocol === "tcp") return { protocol, address, port };
  lastPort = lastPort >= 60_000 ? 20_000 : lastPort + 1;
  return {
    protocol,
    address,
    port,
    source: { address: source ?? (address.includes(":") ? "::" : "0.0.0.0"), port: lastPort },
  };
}

function both(protocol: "tcp" | "udp", addresses: readonly string[], ports: readonly number[]): Row[] {
  return addresses.flatMap((address) => ports.map((port) => [protocol, address, port] as const));
}
