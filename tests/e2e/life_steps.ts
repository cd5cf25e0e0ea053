import assert from "node:assert/strict";
import type { Container } from "./container.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import { eventually } from "./process.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/** What happens when something beside the app ends, and what is left of the app's children. */
export async function life(world: E2eWorld, krun: Container, step: Step): Promise<void> {
  const pids = async (name: string) => {
    const script = 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = "$0" ] && echo ${p#/proc/}; done; true';
    return (await krun.exec(["sh", "-c", script, name])).stdout.trim().split("\n").filter((line) => line !== "");
  };

  await step("istiod is restarted under load: every request is answered", async () => {
    const load = world.cluster.exec(
      NAMESPACE,
      "deployment/echo",
      "echo",
      "/usr/local/bin/fortio",
      "load",
      "-qps",
      "100",
      "-t",
      "12s",
      "-c",
      "4",
      `http://${SERVICE}:8080/echo`,
    );
    await world.cluster.kubectl("-n", "istio-system", "rollout", "restart", "deployment/istiod");
    await world.cluster.kubectl("-n", "istio-system", "rollout", "status", "deployment/istiod", "--timeout=60s");
    const { stdout, stderr } = await load;
    assert.match(stdout + stderr, /Code 200 : \d+ \(100\.0 %\)/, stdout + stderr);
  });
  for (const name of ["envoy", "pilot-agent"]) {
    await step(`kill -9 of ${name}: it comes back, the app is left alone`, async () => {
      const app = await pids("fortio");
      const [victim] = await pids(name);
      assert.ok(victim, `no ${name}`);
      await krun.exec(["sh", "-c", `kill -9 ${victim}`]);
      await eventually(`another ${name}`, async () => {
        const now = await pids(name);
        return now.length === 1 && now[0] !== victim ? true : undefined;
      });
      await world.reached(krun, "/echo", /200 OK/);
      assert.deepEqual(await pids("fortio"), app);
    });
  }
  await step("/metrics and /healthz tell of it", async () => {
    const ask = async (path: string) => (await krun.exec(["curl", "-sS", `http://127.0.0.1:15019${path}`])).stdout;
    assert.equal(await ask("/healthz/ready"), "ready\n");
    const metrics = await ask("/metrics");
    assert.match(metrics, /^krun_proxy_restarts_total 2$/m);
    assert.match(metrics, /^krun_token_expiry_timestamp_seconds \d+/m);
    assert.match(metrics, /^krun_tunnels_total [1-9]/m);
  });
  await step("orphans do not stay as zombies", async () => {
    await krun.exec(["sh", "-c", "i=0; while [ $i -lt 50 ]; do (sleep 0.05 &); i=$((i+1)); done"]);
    await eventually("no zombie", async () => {
      const { stdout } = await krun.exec(["sh", "-c", "grep -h '^State:' /proc/[0-9]*/status"]);
      if (/zombie/.test(stdout)) throw new Error(stdout);
      return true;
    }, 5_000);
  });
  await step("SIGTERM with nothing open: the end is not waited for", async () => {
    const tookMs = await krun.stop(10);
    assert.ok(tookMs < 1_500, `${tookMs} ms, the engine's own time included`);
  });
}
