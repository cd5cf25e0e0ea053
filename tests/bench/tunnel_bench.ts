/**
 * Measures tunnel ends in alternating rounds: throughput each way, round trip, new tunnels a second, memory of an idle tunnel, and the
 * processor time that each took. Prints Markdown; docs/tunnel-end.md says how to read it.
 *
 *     deno run -A tests/bench/tunnel_bench.ts [krun|krun-2|other|other-2|deno-serve|node-http2 …] [--rounds=5] [--mib=512] [--idle=1000]
 *
 * An end has the first core alone to itself; with `-2` it has two threads, all cores and four connections. `other` is any end that
 * listens on {port} and leads every tunnel to {target}; `BENCH_LOAD` is another's load generator (`tunnel_load.ts` has its words):
 *
 *     BENCH_OTHER_END="/path/to/end {port} {target}"
 *     BENCH_LOAD="/path/to/load {url} {mode} -n {bytes} -c {streams} -d {seconds}"
 */
import { cpuSeconds, type EndKind, endKind, residentBytes, type RunningEnd, startEnd } from "./tunnel_ends.ts";
import { IdleTunnels, type Load, loadByCommand, ownLoad } from "./tunnel_load.ts";

/** What is told of an end; a ratio above 1 is better where `more` is. */
const METRICS = [
  { name: "down MB/s", digits: 0, more: true },
  { name: "down CPU ms/GB", digits: 0, more: false },
  { name: "up MB/s", digits: 0, more: true },
  { name: "up CPU ms/GB", digits: 0, more: false },
  { name: "round trip p50 µs", digits: 0, more: false },
  { name: "round trip CPU µs", digits: 0, more: false },
  { name: "new tunnels/s", digits: 0, more: true },
  { name: "new tunnel CPU µs", digits: 0, more: false },
  { name: "tunnels that failed", digits: 0, more: false },
] as const;

type Round = Record<(typeof METRICS)[number]["name"], number>;

const MIB = 1_048_576;
const WARM_TUNNELS = 500;
/** Node's server and ours allow 256 at least; the front end uses 100. */
const IDLE_PER_CONNECTION = 100;
const ROUND_TRIPS = 5_000;
/** One measurement; then an end is broken, not slow. */
const MOST_MS = 60_000;
const SHORT_SECONDS = 3;

const kinds = Deno.args.filter((argument) => !argument.startsWith("--"));
const names = kinds.length > 0 ? kinds : ["krun", "krun-2", "deno-serve", "node-http2"];
const rounds = flag("rounds", 5);
const sizeBytes = flag("mib", 512) * MIB;
const idleTunnels = flag("idle", 1_000);
const load = Deno.env.get("BENCH_LOAD") ? loadByCommand(Deno.env.get("BENCH_LOAD")!) : ownLoad;

const ends: { name: string; kind: EndKind; running: RunningEnd; rounds: Round[] }[] = [];
{
  await using running = new AsyncDisposableStack();
  for (const name of names) {
    const kind = endKind(name);
    const end = running.use(await startEnd(kind, sizeBytes / connectionsOf(kind)));
    ends.push({ name, kind, running: end, rounds: [] });
  }
  for (let i = 0; i < rounds; i++) {
    // Each round begins with another, so that none is always the one after.
    for (let k = 0; k < ends.length; k++) {
      const end = ends[(i + k) % ends.length]!;
      end.rounds.push(await measure(load, end.running, end.kind));
    }
  }
}
printRounds();
if (idleTunnels > 0) await printIdle();

/** One thread has one connection; more have four, which the kernel spreads over them. */
function connectionsOf({ threads }: EndKind): number {
  return threads === 1 ? 1 : 4;
}

async function measure(load: Load, { pid, port }: RunningEnd, kind: EndKind): Promise<Round> {
  const connections = connectionsOf(kind);
  const timed = async <T>(run: Promise<T>): Promise<[T, number]> => {
    const before = cpuSeconds(pid);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`process ${pid} hangs`)), MOST_MS);
    });
    const result = await Promise.race([run, late]);
    clearTimeout(timer);
    return [result, cpuSeconds(pid) - before];
  };
  const each = sizeBytes / connections;
  const [down, downCpu] = await timed(load.throughput(port, "down", each, connections));
  const [up, upCpu] = await timed(load.throughput(port, "up", each, connections));
  const [roundTrip, roundTripCpu] = await timed(load.roundTripUs(port));
  const [short, shortCpu] = await timed(load.shortTunnels(port, connections));
  return {
    "down MB/s": down / 1e6,
    "down CPU ms/GB": downCpu * 1e12 / sizeBytes,
    "up MB/s": up / 1e6,
    "up CPU ms/GB": upCpu * 1e12 / sizeBytes,
    "round trip p50 µs": roundTrip,
    "round trip CPU µs": roundTripCpu * 1e6 / ROUND_TRIPS,
    "new tunnels/s": short.perSecond,
    "new tunnel CPU µs": shortCpu * 1e6 / (short.perSecond * SHORT_SECONDS),
    "tunnels that failed": short.failed,
  };
}

/** Least, median and most of each metric; and of the ratio to `other` in the same round, where there is one. */
function printRounds(): void {
  print(`\nleast / median / most of ${rounds} rounds, ${sizeBytes / MIB} MiB each way\n`);
  print(`| | ${ends.map(({ name }) => name).join(" | ")} |`);
  print(`|---|${"---|".repeat(ends.length)}`);
  for (const { name, digits } of METRICS) {
    print(`| ${name} | ${ends.map((end) => spread(end.rounds.map((round) => round[name]), digits)).join(" | ")} |`);
  }
  const compared = ends.flatMap((end) => {
    const other = ends.find(({ kind }) => kind.name === "other" && kind.threads === end.kind.threads);
    return other && other !== end ? [{ end, other }] : [];
  });
  if (compared.length === 0) return;
  print(`\nratio in the same round\n`);
  print(`| | ${compared.map(({ end, other }) => `${end.name} / ${other.name}`).join(" | ")} |`);
  print(`|---|${"---|".repeat(compared.length)}`);
  for (const { name, more } of METRICS.slice(0, -1)) {
    const cells = compared.map(({ end, other }) =>
      spread(end.rounds.map((round, i) => round[name] / other.rounds[i]![name]), 2)
    );
    print(`| ${name} (${more ? "more" : "less"} is better) | ${cells.join(" | ")} |`);
  }
}

/** Resident memory that one more open tunnel without traffic adds, after the first ones have warmed the end up. */
async function printIdle(): Promise<void> {
  print(`\nkB an idle tunnel, of ${idleTunnels}, ${IDLE_PER_CONNECTION} a connection\n`);
  for (const { name, kind } of ends) {
    // Memory that earlier work has left would hide what idle tunnels take: a fresh end.
    await using end = await startEnd(kind, 0);
    const tunnels = new IdleTunnels();
    const residentAfter = async (count: number) => {
      await tunnels.add(end.port, count, IDLE_PER_CONNECTION);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return residentBytes(end.pid);
    };
    const before = await residentAfter(WARM_TUNNELS);
    const grown = await residentAfter(idleTunnels) - before;
    print(`- ${name}: ${(grown / idleTunnels / 1_000).toFixed(1)}, ${((before + grown) / 1e6).toFixed(0)} MB in all`);
    await tunnels.close();
  }
}

function spread(values: readonly number[], digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return [0, (sorted.length - 1) >> 1, sorted.length - 1].map((i) => sorted[i]!.toFixed(digits)).join(" / ");
}

function flag(name: string, otherwise: number): number {
  const prefix = `--${name}=`;
  return Number(Deno.args.find((argument) => argument.startsWith(prefix))?.slice(prefix.length) ?? otherwise);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
