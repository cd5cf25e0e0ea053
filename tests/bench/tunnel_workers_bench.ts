/**
 * What more threads bring and cost: throughput and new tunnels a second over several connections, and resident memory.
 *
 *     deno run -A tests/bench/tunnel_workers_bench.ts [threads …]
 *
 * The kernel gives a connection to a thread by its hash: of two connections, both may go to one thread. Run it several times.
 */
import { Http2Client, type Http2Stream } from "../../lib/http2/mod.ts";

const MIB = 1_048_576;
const SIZE_BYTES = 256 * MIB;
const CONNECTIONS = 2;
const SHORT_MS = 3_000;
const SHORT_AT_ONCE = 16;

const threadCounts = Deno.args.length > 0 ? Deno.args.map(Number) : [1, 2, 4];
print("threads  idle MB  down MB/s  up MB/s  tunnels/s  busy MB  CPU s");
for (const threads of threadCounts) await measure(threads);

async function measure(threads: number): Promise<void> {
  const peer = await start("tunnel_peer.ts", String(SIZE_BYTES));
  const end = await start("tunnel_end.ts", "krun", String(peer.port), String(threads));
  try {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const idle = residentMb(end.child.pid);
    const down = await together(end.port, download);
    const up = await together(end.port, upload);
    const stopMs = performance.now() + SHORT_MS;
    let tunnels = 0;
    await together(end.port, async (client) => {
      await Promise.all(Array.from({ length: SHORT_AT_ONCE / CONNECTIONS }, async () => {
        for (; performance.now() < stopMs; tunnels++) {
          const stream = await open(client, "E");
          stream.end();
          while (await stream.read());
        }
      }));
    });
    const columns = [threads, idle, down, up, tunnels / SHORT_MS * 1_000, residentMb(end.child.pid)];
    print(
      `${columns.map((value) => value.toFixed(0).padStart(7)).join("   ")}   ${cpuSeconds(end.child.pid).toFixed(1)}`,
    );
  } finally {
    for (const { child } of [end, peer]) child.kill("SIGKILL");
    await Promise.all([end, peer].map(({ child }) => child.status));
  }
}

/** MB/s over all connections. */
async function together(port: number, run: (client: Http2Client) => Promise<void>): Promise<number> {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new Http2Client(conn);
  }));
  const startMs = performance.now();
  await Promise.all(clients.map(run));
  const seconds = (performance.now() - startMs) / 1_000;
  await Promise.all(clients.map((client) => client.close()));
  return CONNECTIONS * SIZE_BYTES / 1e6 / seconds;
}

async function download(client: Http2Client): Promise<void> {
  await readToEnd(await open(client, "S"));
}

async function upload(client: Http2Client): Promise<void> {
  const stream = await open(client, "R");
  const piece = new Uint8Array(131_072);
  for (let sent = 0; sent < SIZE_BYTES; sent += piece.length) await stream.write(piece);
  stream.end();
  await readToEnd(stream);
}

async function readToEnd(stream: Http2Stream): Promise<void> {
  for (let bytes = await stream.read(); bytes; bytes = await stream.read()) stream.taken(bytes.length);
}

async function open(client: Http2Client, order: string): Promise<Http2Stream> {
  const fields = [[":method", "POST"], [":scheme", "http"], [":path", "/_hbone/app"], [":authority", "bench"]] as const;
  const { stream, answer } = client.request(fields, false, () => {});
  const { status } = await answer;
  if (status !== 200) throw new Error(`answered ${status}`);
  await stream.write(new TextEncoder().encode(order));
  return stream;
}

async function start(file: string, ...args: string[]): Promise<{ child: Deno.ChildProcess; port: number }> {
  const path = new URL(file, import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", path, ...args],
    stdout: "piped",
  }).spawn();
  for await (const bytes of child.stdout) return { child, port: Number(new TextDecoder().decode(bytes)) };
  throw new Error(`${file} did not start`);
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * 1_024 / 1e6;
}

/** User and system time, in clock ticks of 10 ms (proc(5)). */
function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
