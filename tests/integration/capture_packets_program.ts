/**
 * Sends and answers packets inside a network namespace; other users cannot read the project, so it imports nothing of it.
 * A line of JSON on standard input is a batch of packets, a line on standard output their verdicts in the same order.
 * First argument: what to answer, a list of {protocol, address, port, name}.
 */

export interface Listener {
  protocol: "tcp" | "udp";
  address: string;
  port: number;
  name: string;
}

export interface Packet {
  protocol: "tcp" | "udp";
  address: string;
  port: number;
  /** Address and port it comes from, for UDP. */
  source?: { address: string; port: number };
}

/** What answers nothing within this time is lost; everything in the tests' tables is answered, unless a rule drops it. */
const LIMIT_MS = 2_000;

async function answer({ protocol, address, port, name }: Listener): Promise<void> {
  const bytes = new TextEncoder().encode(name);
  if (protocol === "udp") {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: address, port });
    for await (const [, from] of socket) await socket.send(bytes, from).catch(() => {});
    return;
  }
  for await (const connection of Deno.listen({ hostname: address, port })) {
    connection.write(bytes).catch(() => {}).finally(() => connection.close());
  }
}

/** Name of who answers; for UDP with the address it answers from, where that is not the one asked. */
async function verdict(packet: Packet): Promise<string> {
  try {
    return packet.protocol === "tcp" ? await verdictTcp(packet) : await verdictUdp(packet);
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

async function verdictTcp({ address, port }: Packet): Promise<string> {
  const connection = await Deno.connect({ hostname: address, port, signal: AbortSignal.timeout(LIMIT_MS) });
  try {
    const buffer = new Uint8Array(64);
    const read = await Promise.race([connection.read(buffer), late()]);
    return read ? new TextDecoder().decode(buffer.subarray(0, read)) : "closed";
  } finally {
    connection.close();
  }
}

async function verdictUdp({ address, port, source }: Packet): Promise<string> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: source!.address, port: source!.port });
  try {
    await socket.send(new TextEncoder().encode("?"), { transport: "udp", hostname: address, port });
    const [bytes, from] = await Promise.race([socket.receive(), late()]);
    const { hostname, port: fromPort } = from as Deno.NetAddr;
    const asked = hostname === address && fromPort === port;
    return new TextDecoder().decode(bytes) + (asked ? "" : ` as ${hostname} ${fromPort}`);
  } finally {
    socket.close();
  }
}

function late(): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new DOMException("no answer", "TimeoutError")), LIMIT_MS);
    Deno.unrefTimer(timer);
  });
}

if (import.meta.main) {
  for (const listener of JSON.parse(Deno.args[0] ?? "[]") as Listener[]) void answer(listener);
  let rest = "";
  const encoder = new TextEncoder();
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    rest += chunk;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      const packets = JSON.parse(rest.slice(0, end)) as Packet[];
      rest = rest.slice(end + 1);
      const line = encoder.encode(`${JSON.stringify(await Promise.all(packets.map(verdict)))}\n`);
      for (let at = 0; at < line.length;) at += Deno.stdout.writeSync(line.subarray(at));
    }
  }
  Deno.exit(0);
}
