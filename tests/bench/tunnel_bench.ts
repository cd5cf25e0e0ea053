/**
 * Measures tunnel ends alone: throughput each way, round trip, new tunnels a second, memory of an idle tunnel.
 *
 *     deno run --allow-all tests/bench/tunnel_bench.ts [krun|deno-serve|node-http2 …] [--mib=512]
 *
 * The end and its TCP peer are processes of their own; the client is in this one and uses the project's own HTTP/2, so on two cores
 * all three share them and the figures compare ends, they are no end's best.
 */
import { Http2Client, type Http2Stream } from "../../lib/http2/mod.ts";

const KINDS = ["krun", "deno-serve", "node-http2"];
const ROUND_TRIPS = 3_000;
const STREAMS_MS = 3_000;
const STREAMS_AT_ONCE = 16;
const WARM_TUNNELS = 500;
const IDLE_TUNNELS = 2_000;
/** Node's server and ours allow 256 at least. */
const IDLE_PER_CONNECTION = 100;
const MIB = 1_048_576;

const flags = Deno.args.filter((argument) => argument.startsWith("--mib="));
const sizeBytes = Number(flags[0]?.slice("--mib=".length) ?? 512) * MIB;
const named = Deno.args.filter((argument) => KINDS.includes(argument));

print(
  `${"end".padEnd(12)} ${"down MB/s".padStart(10)} ${"up MB/s".padStart(8)} ${"rtt p50 µs".padStart(11)} ${
    "p99".padStart(6)
  } ${"tunnels/s".padStart(10)} ${"kB idle".padStart(8)} ${"reset".padStart(6)}`,
);
for (const kind of named.length > 0 ? named : KINDS) await measure(kind);

async function measure(kind: string): Promise<void> {
  const peer = await start("tunnel_peer.ts", String(sizeBytes));
  const end = await start("tunnel_end.ts", kind, String(peer.port));
  // Memory that earlier work has left would hide what idle tunnels take: they get an end of their own.
  const fresh = await start("tunnel_end.ts", kind, String(peer.port));
  try {
    const idle = await idleBytes(fresh);
    fresh.child.kill("SIGKILL");
    const down = await throughput(end.port, "S");
    const up = await throughput(end.port, "R");
    const rttUs = await roundTrips(end.port);
    const { perSecond, reset } = await shortTunnels(end.port);
    const at = (share: number) => rttUs[Math.floor(rttUs.length * share)]!.toFixed(0);
    print(
      `${kind.padEnd(12)} ${down.toFixed(0).padStart(10)} ${up.toFixed(0).padStart(8)} ${at(0.5).padStart(11)} ${
        at(0.99).padStart(6)
      } ` +
        `${perSecond.toFixed(0).padStart(10)} ${(idle / 1_000).toFixed(1).padStart(8)} ${String(reset).padStart(6)}`,
    );
  } finally {
    for (const { child } of [end, peer]) child.kill("SIGKILL");
    await Promise.all([end, peer, fresh].map(({ child }) => child.status));
  }
}

interface Started {
  child: Deno.ChildProcess;
  port: number;
}

async function start(file: string, ...args: string[]): Promise<Started> {
  const path = new URL(file, import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", path, ...args],
    stdout: "piped",
    stderr: "null", // a naive end complains at length of every reset; what fails here shows in the figures
  }).spawn();
  for await (const bytes of child.stdout) return { child, port: Number(new TextDecoder().decode(bytes)) };
  throw new Error(`${file} did not start`);
}

async function connect(port: number): Promise<Http2Client> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  return new Http2Client(conn);
}

async function open(client: Http2Client, order: string): Promise<Http2Stream> {
  const fields = [[":method", "POST"], [":scheme", "http"], [":path", "/_hbone/app"], [":authority", "bench"]] as const;
  const { stream, answer } = client.request(fields, false, () => {});
  const { status } = await answer;
  if (status !== 200) throw new Error(`answered ${status}`);
  await stream.write(new TextEncoder().encode(order));
  return stream;
}

/** MB/s. */
async function throughput(port: number, order: "S" | "R"): Promise<number> {
  const client = await connect(port);
  const stream = await open(client, order);
  const startMs = performance.now();
  if (order === "R") {
    const piece = new Uint8Array(131_072);
    for (let sent = 0; sent < sizeBytes; sent += piece.length) await stream.write(piece);
    stream.end();
  }
  let received = 0;
  for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
    received += bytes.length;
    stream.taken(bytes.length);
  }
  const seconds = (performance.now() - startMs) / 1_000;
  const wanted = order === "S" ? sizeBytes : "done".length;
  if (received !== wanted) throw new Error(`${received} of ${wanted} bytes arrived`);
  await client.close();
  return sizeBytes / 1e6 / seconds;
}

/** Sorted, in µs. */
async function roundTrips(port: number): Promise<number[]> {
  const client = await connect(port);
  const stream = await open(client, "E");
  const times: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const startMs = performance.now();
    await pingPong(stream);
    times.push((performance.now() - startMs) * 1_000);
  }
  await client.close();
  return times.sort((a, b) => a - b);
}

async function pingPong(stream: Http2Stream): Promise<void> {
  await stream.write(new Uint8Array(4));
  for (let got = 0; got < 4;) {
    const bytes = await stream.read();
    if (!bytes) throw new Error("ended early");
    got += bytes.length;
    stream.taken(bytes.length);
  }
}

/** Tunnels opened, used once and closed, a second, and how many of them were reset instead of ended. */
async function shortTunnels(port: number): Promise<{ perSecond: number; reset: number }> {
  const client = await connect(port);
  const stopMs = performance.now() + STREAMS_MS;
  let count = 0;
  let reset = 0;
  await Promise.all(Array.from({ length: STREAMS_AT_ONCE }, async () => {
    for (; performance.now() < stopMs; count++) {
      const stream = await open(client, "E");
      await pingPong(stream);
      stream.end();
      try {
        while (await stream.read());
      } catch {
        reset++;
      }
    }
  }));
  await client.close();
  return { perSecond: count / (STREAMS_MS / 1_000), reset };
}

/** Resident memory that one more open tunnel without traffic adds to the end, after the first ones have warmed it up. */
async function idleBytes({ child, port }: Started): Promise<number> {
  const clients: Http2Client[] = [];
  const add = async (tunnels: number) => {
    for (let i = 0; i < tunnels / IDLE_PER_CONNECTION; i++) {
      const client = await connect(port);
      clients.push(client);
      const streams = await Promise.all(Array.from({ length: IDLE_PER_CONNECTION }, () => open(client, "E")));
      await Promise.all(streams.map(pingPong));
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return residentBytes(child.pid);
  };
  const before = await add(WARM_TUNNELS);
  const grown = await add(IDLE_TUNNELS) - before;
  await Promise.all(clients.map((client) => client.close()));
  return grown / IDLE_TUNNELS;
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * 1_024;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
