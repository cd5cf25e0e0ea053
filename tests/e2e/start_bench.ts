/**
 * How long a container takes until 15009 answers, and krun's own account of it by phase, while every request to the API server is answered
 * late. Needs what `deno task e2e` needs:
 *   deno run -A tests/e2e/start_bench.ts [RUNS] [ADDED_MS…]
 */
import { dirname } from "node:path";
import { lateApiServer } from "./late_api_server.ts";
import { e2eSettings } from "./settings.ts";
import { startE2eWorld } from "./world.ts";

const [RUNS = 5, ...given] = Deno.args.map(Number);
const DELAYS_MS = given.length > 0 ? given : [0, 10, 30, 100];
const write = (text: string) => void Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const settings = await e2eSettings(Deno.env.toObject());
await using world = await startE2eWorld(settings, write);
const kubeconfig = await Deno.readTextFile(world.runnerKubeconfig);
const lateKubeconfig = `${dirname(world.runnerKubeconfig)}/late-kubeconfig`;

write(
  "| runtime | added ms | first answer on 15009 ms | krun's own account ms | of it, by phase (median) | krun MB | pilot-agent MB | envoy MB | " +
    "SIGTERM to end ms |",
);
write("|---|---|---|---|---|---|---|---|---|");
for (const runtime of Object.keys(settings.runtimes)) {
  for (const delayMs of DELAYS_MS) {
    await using server = await lateApiServer(kubeconfig, settings.ownAddress, delayMs);
    await Deno.writeTextFile(lateKubeconfig, server.kubeconfig);
    const rows: Awaited<ReturnType<typeof measure>>[] = [];
    for (let run = 0; run < RUNS; run++) rows.push(await measure(runtime));
    const of = (value: (row: typeof rows[number]) => number) => {
      const values = rows.map(value).sort((a, b) => a - b);
      return [values[0], values[values.length >> 1], values.at(-1)] as const;
    };
    const phases = Object.keys(rows[0]!.phasesMs).map((name) => `${name} ${of((row) => row.phasesMs[name]!)[1]}`);
    const cells = [
      runtime,
      delayMs,
      of((row) => row.answerMs).join(" / "),
      of((row) => row.ownMs).join(" / "),
      phases.join(", "),
      of((row) => row.krunMb).join(" / "),
      of((row) => row.agentMb).join(" / "),
      of((row) => row.envoyMb).join(" / "),
      of((row) => row.stopMs).join(" / "),
    ];
    write(`| ${cells.join(" | ")} |`);
  }
}
write(`least / median / most of ${RUNS} runs, ${navigator.hardwareConcurrency} cores, the engine's own time included`);

async function measure(runtime: string) {
  const started = performance.now();
  await using krun = world.startKrun(runtime, {
    env: { MESH_DEBUG: "false", KUBECONFIG: "/e2e/late-kubeconfig" },
    command: ["/usr/local/bin/fortio", "server"],
  });
  const url = `http://${settings.containerAddress}:15009/echo`;
  for (;;) {
    const answer = await fetch(url, { method: "POST", body: "x" }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) break;
    if (krun.ended) throw new Error(krun.log());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const answerMs = Math.round(performance.now() - started);
  const own = await krun.said("in the mesh after");
  const script = 'for p in /proc/[0-9]*; do echo "$(cat $p/comm) $(grep VmRSS $p/status)"; done';
  const { stdout } = await krun.exec(["sh", "-c", script]);
  const megabytes = (name: string) =>
    Math.round(Number(new RegExp(`^${name} VmRSS:\\s+(\\d+) kB`, "m").exec(stdout)?.[1]) / 1_024);
  const line = own.split("\n").find((line) => line.includes("in the mesh after"))!;
  return {
    answerMs,
    ownMs: Number(/after (\d+) ms/.exec(line)?.[1]),
    phasesMs: Object.fromEntries([...line.matchAll(/ ([a-z]+)Ms=(\d+)/g)].map(([, name, ms]) => [name!, Number(ms)])),
    krunMb: megabytes("krun"),
    agentMb: megabytes("pilot-agent"),
    envoyMb: megabytes("envoy"),
    stopMs: Math.round(await krun.stop()),
  };
}
