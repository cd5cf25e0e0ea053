/** An app's namespace and its peer's: three links, processes of six users that send packets, and somebody who answers each. */
import assert from "node:assert/strict";
import { linesOf } from "../../lib/base/lines.ts";
import type { Listener, Packet } from "./capture_packets_program.ts";
import { must, Namespace } from "./capture_namespaces.ts";

/** user id : group id. 1337 is the proxy's. */
export const USERS = {
  app: "1000:1000",
  other: "1001:2001",
  root: "0:0",
  proxy: "1337:1337",
  "proxy's user": "1337:1000",
  "proxy's group": "1000:1337",
} as const;

export type Sender = keyof typeof USERS | "peer";

/** Link → addresses of the app's end; the peer's end with .1. eth0 leads everywhere, eth1 to 198.18.48.0/20. */
const LINKS = {
  eth0: ["198.18.0.2", "fd00:0:0:1::2"],
  eth1: ["198.18.1.2", "fd00:0:0:2::2"],
  kv0: ["198.18.2.2", "fd00:0:0:3::2"],
} as const;

/** All of them are the peer's, whatever the address. */
const PEERS = ["198.18.16.0/20", "198.18.32.0/20", "198.18.48.0/20", "10.99.0.0/16", "fd00:16::/32", "fd00:32::/32"];
const PEERS_BY_ETH1 = ["198.18.48.0/20", "fd00:48::/32"];

const TCP_PORTS = [22, 53, 80, 443, 8080, 9090, 15001, 15006, 15008, 15009, 15053];

/** A process that sends packets; one batch at a time. */
class Packeteer {
  readonly #lines: AsyncGenerator<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(readonly child: Deno.ChildProcess) {
    this.#lines = linesOf(child.stdout, 1_000_000);
    this.#writer = child.stdin.getWriter();
  }

  async send(packets: readonly Packet[]): Promise<string[]> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(packets)}\n`));
    const { value } = await this.#lines.next();
    assert(value, "the process that sends packets has ended");
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.child.stdout.cancel().catch(() => {});
    await this.child.status;
  }
}

export class Stand implements AsyncDisposable {
  private constructor(
    readonly app: Namespace,
    readonly senders: ReadonlyMap<Sender, Packeteer>,
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async make(program: Program, resolvConf: string, udp: readonly { address: string; port: number }[]) {
    await using stack = new AsyncDisposableStack();
    const app = stack.use(await Namespace.make());
    const peer = stack.use(await Namespace.make());
    await Deno.mkdir(`/etc/netns/${app.name}`, { recursive: true });
    await Deno.writeTextFile(`/etc/netns/${app.name}/resolv.conf`, resolvConf);
    await link(app, peer);
    const isLocal = (address: string) => /^(127\.|198\.18\.[0-2]\.2$|::1$|fd00:0:0:\d::2$)/.test(address);
    const listeners = (role: string, own: boolean): Listener[] => [
      ...["0.0.0.0", "::"].flatMap((address) =>
        TCP_PORTS.map((port) => ({ protocol: "tcp" as const, address, port, name: `${role}:${port}` }))
      ),
      ...udp.filter(({ address }) => isLocal(address) === own)
        .map(({ address, port }) => ({ protocol: "udp" as const, address, port, name: `${role}:${port}` })),
    ];
    const senders = new Map<Sender, Packeteer>();
    for (const [name, ids] of Object.entries(USERS) as [keyof typeof USERS, string][]) {
      // The proxy's process is the one that answers, as the agent does.
      const answers = name === "proxy" ? listeners("own", true) : [];
      senders.set(name, stack.use(program.start(app, ids, answers)));
    }
    senders.set("peer", stack.use(program.start(peer, "0:0", listeners("peer", false))));
    await Promise.all([...senders.values()].map((sender) => sender.send([])));
    return new Stand(app, senders, stack.move());
  }

  /** Sends all packets of all senders at once. @returns their verdicts in the same order */
  async send(packets: readonly (Packet & { sender: Sender })[]): Promise<string[]> {
    const verdicts = new Array<string>(packets.length);
    await Promise.all([...this.senders].map(async ([name, sender]) => {
      const places = packets.map((packet, at) => packet.sender === name ? at : -1).filter((at) => at >= 0);
      const answers = await sender.send(places.map((at) => packets[at]!));
      places.forEach((at, index) => verdicts[at] = answers[index]!);
    }));
    return verdicts;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stack.disposeAsync();
  }
}

/** The program that sends packets, and Deno, where other users can read them. */
export class Program implements AsyncDisposable {
  private constructor(readonly directory: string) {}

  static async install(): Promise<Program> {
    const directory = await Deno.makeTempDir({ prefix: "kcap-" });
    await Deno.chmod(directory, 0o755);
    await Deno.mkdir(`${directory}/cache`);
    await Deno.chmod(`${directory}/cache`, 0o777);
    await Deno.copyFile(new URL("capture_packets_program.ts", import.meta.url), `${directory}/program.ts`);
    await Deno.link(Deno.execPath(), `${directory}/deno`).catch(() =>
      Deno.copyFile(Deno.execPath(), `${directory}/deno`)
    );
    return new Program(directory);
  }

  start(namespace: Namespace, ids: string, listeners: readonly Listener[]): Packeteer {
    const [uid, gid] = ids.split(":");
    const user = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
    const deno = [
      `${this.directory}/deno`,
      "run",
      "-A",
      "--no-config",
      "--no-check",
      "--no-lock",
      "--quiet",
      "--unstable-net",
    ];
    const child = new Deno.Command("ip", {
      args: [
        "netns",
        "exec",
        namespace.name,
        ...user,
        ...deno,
        `${this.directory}/program.ts`,
        JSON.stringify(listeners),
      ],
      cwd: this.directory,
      env: { DENO_DIR: `${this.directory}/cache`, HOME: this.directory, DENO_NO_UPDATE_CHECK: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    return new Packeteer(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}

async function link(app: Namespace, peer: Namespace): Promise<void> {
  for (const namespace of [app, peer]) {
    await namespace.must(
      "sysctl",
      "-qw",
      "net.ipv4.ip_unprivileged_port_start=0",
      "net.ipv6.bindv6only=1",
      "net.ipv6.ip_nonlocal_bind=1",
      "net.ipv4.conf.all.rp_filter=0",
      "net.ipv4.conf.default.rp_filter=0",
    );
  }
  for (const [name, addresses] of Object.entries(LINKS)) {
    await must("ip", [
      "link",
      "add",
      name,
      "netns",
      app.name,
      "type",
      "veth",
      "peer",
      "name",
      name,
      "netns",
      peer.name,
    ]);
    for (const address of addresses) {
      const length = address.includes(":") ? 64 : 24;
      const peers = address.replace(/2$/, "1");
      await must("ip", ["-n", app.name, "address", "add", `${address}/${length}`, "dev", name, ...nodad(address)]);
      await must("ip", ["-n", peer.name, "address", "add", `${peers}/${length}`, "dev", name, ...nodad(address)]);
    }
    for (const { name: namespace } of [app, peer]) await must("ip", ["-n", namespace, "link", "set", name, "up"]);
  }
  await must("ip", ["-n", app.name, "address", "add", "::6/128", "dev", "lo", "nodad"]);
  for (
    const [version, via, viaEth1] of [["-4", "198.18.0.1", "198.18.1.1"], ["-6", "fd00:0:0:1::1", "fd00:0:0:2::1"]]
  ) {
    await must("ip", [version!, "-n", app.name, "route", "add", "default", "via", via!]);
    const byEth1 = PEERS_BY_ETH1.find((range) => range.includes(":") === (version === "-6"))!;
    await must("ip", [version!, "-n", app.name, "route", "add", byEth1, "via", viaEth1!]);
  }
  for (const range of new Set([...PEERS, ...PEERS_BY_ETH1])) {
    await must("ip", [range.includes(":") ? "-6" : "-4", "-n", peer.name, "route", "add", "local", range, "dev", "lo"]);
  }
}

function nodad(address: string): string[] {
  return address.includes(":") ? ["nodad"] : [];
}
