import assert from "node:assert/strict";
import type { Container } from "./container.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/** Everything that a start could leave in a container, as text. Files of the kernel are not krun's. */
const STATE = `export LC_ALL=C
for p in /proc/[0-9]*; do [ -s $p/cmdline ] && cat $p/comm; done 2> /dev/null | sort | uniq -c
for program in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do $program-save 2> /dev/null | grep ISTIO; done
for table in tcp tcp6 udp udp6; do awk '$4 == "0A" || $4 == "07" {print "'$table'", $2}' /proc/net/$table 2> /dev/null; done
find / \\( -path /proc -o -path /sys -o -path /dev -o -path /tmp \\) -prune -o -type f -print 2> /dev/null | sort`;

/** Shell functions; $MODE is krun's --capture. */
const FUNCTIONS = `
start() { krun --capture=$MODE -- /usr/local/bin/fortio server > /tmp/log 2>&1 & krun=$!; }
ready() { until curl -fs -o /dev/null http://127.0.0.1:15019/healthz/ready; do
  kill -0 $krun 2> /dev/null || { cat /tmp/log; return 1; }; sleep 0.03; done; }
stop() { kill $krun; wait $krun; [ $? -lt 128 -o $? = 143 ] || { cat /tmp/log; return 1; }; }
there() { until eval "$1" 2> /dev/null; do kill -0 $krun 2> /dev/null || { cat /tmp/log; return 1; }; sleep 0.005; done; }
said() { there "grep -qE '$1' /tmp/log"; }
runs() { there "grep -qs $1 /proc/[0-9]*/comm"; }
`;

/** Where krun is killed: when its log has said this, or something is there. */
const PHASES: readonly [name: string, until: string][] = [
  ["settings", "true"],
  ["cluster, being asked", "there 'ls -l /proc/$krun/fd | grep -q socket:'"],
  ["identity", "said 'identity spiffe'"],
  ["proxy, its process being there", "runs pilot-agent"],
  ["proxy, Envoy being there", "runs envoy"],
  ["proxy ready", "said 'proxy ready'"],
  ["capture", "said 'captured by|whitebox,'"],
  ["app", "runs fortio"],
  ["tunnel", "said 'in the mesh after'"],
];

/** Starts and ends in one container, whose network, files and processes live on. */
export async function leftovers(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  await step(
    "the container is killed: the next one in its network joins, past the rules that are left",
    () => killedContainer(world, runtime),
  );
  const captures = world.settings.captures.includes(runtime);
  const times = runtime === "runc" ? 200 : 20; // one takes gVisor seconds
  await using container = world.startKrun(runtime, {
    env: { MODE: captures ? "required" : "auto" },
    options: ["--entrypoint", "sh"],
    command: ["-c", "echo up; while true; do sleep 1; done"], // as a shell, it waits for orphans
  });
  await container.said("up", 60_000);
  const state = () => sh(container, STATE);
  await sh(container, `${FUNCTIONS} start; ready && stop`); // the first one leaves the identity's files for the next
  const clean = await state();

  await step(`${times} starts and stops leave no process, rule, file or port behind`, async () => {
    const loop = `${FUNCTIONS} i=0; while [ $i -lt ${times} ]; do start; ready && stop || exit 1; i=$((i+1)); done`;
    await sh(container, loop, 600);
    assert.deepEqual(changed(clean, await state()), []);
  });
  await step(
    "krun is killed in every phase of its start: the next start works, and leaves nothing of either",
    async () => {
      for (const [phase, until] of PHASES) {
        await sh(container, `${FUNCTIONS} start; ${until} && kill -9 $krun && start && ready && stop`)
          .catch((error) => assert.fail(`killed in ${phase}: ${error.message}`));
        assert.deepEqual(changed(clean, await state()), [], `killed in ${phase}`);
      }
    },
  );
  await step("krun is killed at any moment: the next start works, and leaves nothing of either", async () => {
    for (let at = 0; at < 10; at++) {
      const seconds = (at * 0.07 + Math.random() * 0.07).toFixed(3);
      await sh(container, `${FUNCTIONS} start; sleep ${seconds}; kill -9 $krun && start && ready && stop`)
        .catch((error) => assert.fail(`killed after ${seconds} s: ${error.message}`));
      assert.deepEqual(changed(clean, await state()), [], `killed after ${seconds} s`);
    }
  });
}

/** Lines that are there now and were not, with a plus, and the other way round, with a minus. */
function changed(before: string, now: string): string[] {
  const [old, young] = [before.split("\n"), now.split("\n")];
  return [
    ...young.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
    ...old.filter((line) => !young.includes(line)).map((line) => `- ${line}`),
  ];
}

/** What a pod does with a container that was killed: it starts it again in the same network, where the rules still are. */
async function killedContainer(world: E2eWorld, runtime: string): Promise<void> {
  const app = { command: ["/usr/local/bin/fortio", "server"] };
  await using killed = world.startKrun(runtime, app);
  await killed.said("in the mesh after", 60_000);
  await killed.kill();
  await using next = world.startKrun(runtime, app);
  await next.said("in the mesh after", 60_000);
  if (world.settings.captures.includes(runtime)) {
    assert.match(next.log(), /removed rules that led to a proxy which is gone/);
  }
  await world.reached(next, "/debug", /URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/echo/i);
}

async function sh(container: Container, script: string, limitSeconds = 60): Promise<string> {
  const command = ["timeout", String(limitSeconds), "sh", "-c", script];
  const { code, stdout, stderr } = await container.exec(command, {}, (limitSeconds + 10) * 1_000);
  if (code !== 0) throw new Error(`exit code ${code}: ${stdout}${stderr}`);
  return stdout;
}
