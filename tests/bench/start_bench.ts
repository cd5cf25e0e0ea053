/**
 * How long krun takes from its own start to the app's start and to the first answer on 15009, by phase, while every API answers late.
 *
 *     deno run -A tests/bench/start_bench.ts [RUNS]        krun from source, or the executable that KRUN names
 *
 * Google's APIs and the API server are the emulators: the delay is added to every request, a TLS handshake costs what it costs on the
 * loopback. pilot-agent is a script and ready at once, so that what remains is krun's own. With root all of it happens in a network
 * namespace, and the app's traffic is captured there as on Cloud Run. `ORIGINAL_KRUN` names another launcher that takes the same
 * environment; it is started in turn with krun.
 */
import { startWorld } from "../emulators/world.ts";
import { canUnshare, withDirectory } from "../integration/krun_process.ts";
import { type Launcher, launchers, type Scene, type Start, startOnce, type Way } from "./start_scene.ts";

const INSIDE = "BENCH_RUNS_IN_NETWORK_NAMESPACE";
const DELAYS_MS = [0, 10, 30, 100];
const WAYS: readonly Way[] = ["Cloud Run", "kubeconfig"];

if (canUnshare("--net") && !Deno.env.has(INSIDE)) Deno.exit(await insideNamespace());
await withDirectory(measureAll);

async function measureAll(directory: string): Promise<void> {
  const runs = Number(Deno.args[0] ?? 7);
  await Deno.chmod(directory, 0o777); // pilot-agent has a user of its own
  await using world = await startWorld();
  const scene: Scene = { world, directory };
  print(
    "| launcher | way | added ms | app's start ms | first answer ms | of these before krun's code | phases, median ms | MB |",
  );
  print("|---|---|---|---|---|---|---|---|");
  for (const way of WAYS) {
    for (const delayMs of DELAYS_MS) {
      const rows = new Map<Launcher, Start[]>(launchers().map((launcher) => [launcher, []]));
      for (let run = 0; run <= runs; run++) {
        for (const [launcher, starts] of rows) {
          const start = await startOnce(scene, launcher, way, delayMs);
          if (run > 0) starts.push(start); // the first one fills the caches of files
        }
      }
      for (const [launcher, starts] of rows) print(row(launcher, way, delayMs, starts));
    }
  }
  print(`\nleast / median / most of ${runs} starts, ${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}`);
}

function row(launcher: Launcher, way: Way, delayMs: number, starts: readonly Start[]): string {
  const of = (value: (start: Start) => number) => {
    const values = starts.map(value).sort((a, b) => a - b).map(Math.round);
    return [values[0], values[values.length >> 1], values.at(-1)] as const;
  };
  const phases = Object.keys(starts[0]!.phasesMs).map((name) =>
    `${name.replace(/Ms$/, "")} ${of((start) => start.phasesMs[name] ?? 0)[1]}`
  );
  const cells = [
    launcher.name,
    way,
    delayMs,
    of(({ appMs }) => appMs).join(" / "),
    of(({ answerMs }) => answerMs).join(" / "),
    of(({ loadMs }) => loadMs)[1],
    phases.join(", "),
    of(({ residentMb }) => residentMb)[1],
  ];
  return `| ${cells.join(" | ")} |`;
}

/** This program again, where its ports and rules are nobody else's. */
async function insideNamespace(): Promise<number> {
  const self = new URL(import.meta.url).pathname;
  const again = [Deno.execPath(), "run", "-A", "--quiet", self, ...Deno.args].map((word) => `'${word}'`).join(" ");
  const { code } = await new Deno.Command("unshare", {
    args: ["--net", "sh", "-c", `ip link set lo up && exec ${again}`],
    env: { [INSIDE]: "true" },
  }).spawn().status;
  return code;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
