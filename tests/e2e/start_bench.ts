/**
 * How long a container takes until 15009 answers, and krun's own account of it. Needs what `deno task e2e` needs:
 *   deno run -A tests/e2e/start_bench.ts [RUNS]
 */
import { e2eSettings } from "./settings.ts";
import { startE2eWorld } from "./world.ts";

const RUNS = Number(Deno.args[0] ?? 5);
const write = (text: string) => void Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
const settings = await e2eSettings(Deno.env.toObject());
await using world = await startE2eWorld(settings, write);

write(
  "| runtime | first answer on 15009 ms | krun's own account ms | krun MB | pilot-agent MB | envoy MB | SIGTERM to end ms |",
);
write("|---|---|---|---|---|---|---|");
for (const runtime of Object.keys(settings.runtimes)) {
  const rows: Awaited<ReturnType<typeof measure>>[] = [];
  for (let run = 0; run < RUNS; run++) rows.push(await measure(runtime));
  const of = (name: keyof typeof rows[number]) => {
    const values = rows.map((row) => row[name]).sort((a, b) => a - b);
    return `${values[0]} / ${values[values.length >> 1]} / ${values.at(-1)}`;
  };
  write(
    `| ${runtime} | ${of("answerMs")} | ${of("ownMs")} | ${of("krunMb")} | ${of("agentMb")} | ${of("envoyMb")} | ${
      of("stopMs")
    } |`,
  );
}
write(`least / median / most of ${RUNS} runs, ${navigator.hardwareConcurrency} cores, the engine's own time included`);

async function measure(runtime: string) {
  const started = performance.now();
  await using krun = world.startKrun(runtime, {
    env: { MESH_DEBUG: "false" },
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
  return {
    answerMs,
    ownMs: Number(/after (\d+) ms/.exec(own)?.[1]),
    krunMb: megabytes("krun"),
    agentMb: megabytes("pilot-agent"),
    envoyMb: megabytes("envoy"),
    stopMs: Math.round(await krun.stop()),
  };
}
