/**
 * The gate under load, each engine in turn, and as a ratio to a plain Envoy TCP proxy in the same run (`ENVOY_BIN`).
 *
 *     deno run -A tests/bench/gate_bench.ts [KIND…] [--mib=512] [--idle=1000,10000]
 *
 * Client, gate and front end are a process each, the gate on one thread. "MB/s a core" divides the bytes by the processor time that the
 * gate took: with two cores for three processes the elapsed time says more of the others.
 */
import { BENCH_HELLO } from "./gate_peers.ts";

/** Each beside the plain proxy above it that does the same: with TLS to the peer, or without. */
const KINDS = ["plain envoy", "envoy, h2c", "embedded, h2c", "plain envoy, TLS", "envoy", "embedded"];
const ROUND_TRIPS = 3_000;
const SHORT_MS = 3_000;
const AT_ONCE = 16;
const OPENING_AT_ONCE = 64;
const WARM_TUNNELS = 100;
const SPARE_DESCRIPTORS = 400;
const MIB = 1_048_576;
/** USER_HZ: the unit of /proc/PID/stat, proc(5). */
const TICKS_PER_SECOND = 100;

const valueOf = (flag: string) => Deno.args.find((argument) => argument.startsWith(`${flag}=`))?.slice(flag.length + 1);
const sizeBytes = Number(valueOf("--mib") ?? 512) * MIB;
const idleCounts = (valueOf("--idle") ?? "1000,10000").split(",").map(Number);
const named = Deno.args.filter((argument) => KINDS.includes(argument));
const envoyBin = Deno.env.get("ENVOY_BIN");
const kinds = (named.length > 0 ? named : KINDS).filter((kind) => envoyBin || !kind.includes("envoy"));

interface Row {
  downMBps: number;
  upMBps: number;
  downCore: number;
  upCore: number;
  rttUs: number;
  perSecond: number;
  perCoreSecond: number;
  idleKb: number[];
}

const HEAD = [
  "gate",
  "down MB/s",
  "up MB/s",
  "down MB/s a core",
  "up MB/s a core",
  "rtt p50 µs",
  "new tunnels/s",
  "new tunnels/s a core",
];
print(`| ${[...HEAD, ...idleCounts.map((count) => `kB idle (${count})`)].join(" | ")} |`);
print(`|${"---|".repeat(HEAD.length + idleCounts.length)}`);
let reference: Row | undefined;
for (const kind of kinds) {
  const row = await measure(kind);
  if (kind.startsWith("plain envoy")) reference = row;
  print(`| ${[kind, ...figures(row).map((figure) => figure.toFixed(figure < 100 ? 1 : 0))].join(" | ")} |`);
  if (!reference || row === reference) continue;
  const base = figures(reference);
  print(`| … to the plain one | ${figures(row).map((figure, i) => (figure / base[i]!).toFixed(2)).join(" | ")} |`);
}

function figures(row: Row): number[] {
  return [
    row.downMBps,
    row.upMBps,
    row.downCore,
    row.upCore,
    row.rttUs,
    row.perSecond,
    row.perCoreSecond,
    ...row.idleKb,
  ];
}

async function measure(kind: string): Promise<Row> {
  const directory = await Deno.makeTempDir();
  const peer = await start("gate_peer_process.ts", String(sizeBytes), directory);
  const [https, http, tcp, tls] = peer.ports as [number, number, number, number];
  const url = kind.endsWith(", h2c") ? `http://localhost:${http}` : `https://localhost:${https}`;
  const plain = String(kind.endsWith(", TLS") ? tls : tcp);
  const begin = () => start("gate_process.ts", kind, url, plain, `${directory}/roots.pem`);
  // Memory that earlier work has left would hide what idle tunnels take: they get a gate of their own.
  const fresh = await begin();
  const idleKb = await idle(fresh, kind.startsWith("plain envoy") ? 2 : 1);
  await stop(fresh);
  const gate = await begin();
  try {
    await throughput(gate, "S"); // warm
    const down = await throughput(gate, "S");
    const up = await throughput(gate, "R");
    const rttUs = await roundTrips(gate.ports[0]!);
    const short = await shortTunnels(gate);
    return {
      downMBps: down.wall,
      upMBps: up.wall,
      downCore: down.core,
      upCore: up.core,
      rttUs,
      perSecond: short.wall,
      perCoreSecond: short.core,
      idleKb,
    };
  } finally {
    await stop(gate);
    await stop(peer);
    await Deno.remove(directory, { recursive: true });
  }
}

interface Started {
  child: Deno.ChildProcess;
  ports: number[];
}

async function start(file: string, ...args: string[]): Promise<Started> {
  const path = new URL(file, import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", path, ...args],
    stdout: "piped",
  }).spawn();
  for await (const bytes of child.stdout) {
    return { child, ports: new TextDecoder().decode(bytes).trim().split(" ").map(Number) };
  }
  throw new Error(`${file} did not start`);
}

async function stop({ child }: Started): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 3_000);
  await child.status;
  clearTimeout(timer);
}

async function open(port: number, order: string): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  await writeAll(conn, Uint8Array.from([...BENCH_HELLO, order.charCodeAt(0)]));
  return conn;
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

/** MB/s by the clock, and by the processor time of the gate. */
async function throughput(gate: Started, order: "S" | "R"): Promise<{ wall: number; core: number }> {
  const conn = await open(gate.ports[0]!, order);
  const [startMs, startTicks] = [performance.now(), processorTicks(gate.child.pid)];
  if (order === "R") {
    const piece = new Uint8Array(131_072);
    for (let sent = 0; sent < sizeBytes; sent += piece.length) await writeAll(conn, piece);
  }
  if (order === "R") await conn.closeWrite();
  const buffer = new Uint8Array(262_144);
  let received = 0;
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) received += count;
  const wanted = order === "S" ? sizeBytes : "done".length;
  if (received !== wanted) throw new Error(`${received} of ${wanted} bytes arrived`);
  const seconds = (performance.now() - startMs) / 1_000;
  const coreSeconds = (processorTicks(gate.child.pid) - startTicks) / TICKS_PER_SECOND;
  conn.close();
  return { wall: sizeBytes / 1e6 / seconds, core: sizeBytes / 1e6 / coreSeconds };
}

/** µs, the median. */
async function roundTrips(port: number): Promise<number> {
  const conn = await open(port, "E");
  const times: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const startMs = performance.now();
    await pingPong(conn);
    times.push((performance.now() - startMs) * 1_000);
  }
  conn.close();
  return times.sort((a, b) => a - b)[ROUND_TRIPS / 2]!;
}

async function pingPong(conn: Deno.TcpConn): Promise<void> {
  await writeAll(conn, new Uint8Array(4));
  const buffer = new Uint8Array(4);
  for (let got = 0; got < 4;) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error("ended early");
    got += count;
  }
}

/** Tunnels opened, used once and closed, a second. */
async function shortTunnels(gate: Started): Promise<{ wall: number; core: number }> {
  const startTicks = processorTicks(gate.child.pid);
  const stopMs = performance.now() + SHORT_MS;
  let count = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (; performance.now() < stopMs; count++) {
      const conn = await open(gate.ports[0]!, "E");
      await pingPong(conn);
      await conn.closeWrite();
      if (await conn.read(new Uint8Array(1)) !== null) throw new Error("more than was asked for");
      conn.close();
    }
  }));
  const coreSeconds = (processorTicks(gate.child.pid) - startTicks) / TICKS_PER_SECOND;
  return { wall: count / (SHORT_MS / 1_000), core: count / coreSeconds };
}

/** Resident kB that a tunnel takes which is open and idle, at each of {@link idleCounts}, or at as many as there are descriptors for. */
async function idle(gate: Started, descriptorsEach: number): Promise<number[]> {
  const limit = Number(/Max open files\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${gate.child.pid}/limits`))![1]);
  const most = Math.floor((limit - SPARE_DESCRIPTORS) / descriptorsEach);
  const conns: Deno.TcpConn[] = [];
  const growTo = async (count: number) => {
    let left = count - conns.length;
    await Promise.all(Array.from({ length: OPENING_AT_ONCE }, async () => {
      while (left-- > 0) {
        const conn = await open(gate.ports[0]!, "E");
        await pingPong(conn);
        conns.push(conn);
      }
    }));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    return residentBytes(gate.child.pid);
  };
  const before = await growTo(WARM_TUNNELS);
  const taken: number[] = [];
  for (const wanted of idleCounts) {
    const count = Math.min(wanted, most);
    taken.push((await growTo(count) - before) / (count - WARM_TUNNELS) / 1_000);
  }
  for (const conn of conns) conn.close();
  return taken;
}

/** Of a process and, where it has any, its children: an engine may be one. */
function family(pid: number): number[] {
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
  return [pid, ...children === "" ? [] : children.split(" ").flatMap((child) => family(Number(child)))];
}

function residentBytes(pid: number): number {
  const of = (one: number) => Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${one}/status`))![1]);
  return family(pid).reduce((sum, one) => sum + of(one), 0) * 1_024;
}

function processorTicks(pid: number): number {
  const of = (one: number) => {
    const stat = Deno.readTextFileSync(`/proc/${one}/stat`);
    const [utime, stime] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13);
    return Number(utime) + Number(stime);
  };
  return family(pid).reduce((sum, one) => sum + of(one), 0);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
