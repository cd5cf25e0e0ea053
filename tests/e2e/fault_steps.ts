import assert from "node:assert/strict";
import type { Container } from "./container.ts";
import { eventually } from "./process.ts";
import { startCounting } from "./sigterm_steps.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const TOKENS = "/var/run/secrets/tokens";

/** What an app can do to krun, and a disk. */
export async function faults(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  await step("the app crashes: its code is the container's, and everything has ended within 500 ms", async () => {
    const script = `krun -- /e2e/counting-app & krun=$!
      until curl -fs -o /dev/null http://127.0.0.1:15019/healthz/ready; do sleep 0.05; done
      begun=$(date +%s%N); curl -s http://127.0.0.1:8080/crash; wait $krun; code=$?
      echo "code $code after $((($(date +%s%N) - begun) / 1000000)) ms"; grep -l -e envoy -e pilot-agent /proc/[0-9]*/comm || echo nothing`;
    await using container = world.startKrun(runtime, { options: ["--entrypoint", "sh"], command: ["-c", script] });
    const [, code, ms] = /code (\d+) after (\d+) ms/.exec(
      await container.said(" after ", 60_000).then(() => container.said("code ")),
    )!;
    assert.equal(code, "7", container.log());
    assert.ok(Number(ms) < 500, `${ms} ms\n${container.log()}`);
    await container.said("nothing");
  });
  await step("the app is killed, or takes all memory there is: 137, and a word on why", async () => {
    await using krun = startCounting(world, runtime, { options: ["--memory", "400m", "--memory-swap", "400m"] });
    await krun.said("in the mesh after", 60_000);
    if (runtime === "runc") krun.exec(["curl", "-s", "http://127.0.0.1:8080/allocate"]).catch(() => {});
    else {await krun.exec([
        "sh",
        "-c",
        "for p in /proc/[0-9]*; do grep -q counting $p/comm && kill -9 ${p#/proc/}; done",
      ]);}
    await krun.said("the app was ended by SIGKILL, which krun did not send: ", 60_000);
    if (runtime === "runc") assert.match(krun.log(), /the container's memory limit was reached, give it more memory/);
    assert.equal(await krun.exitCode, 137);
  });
  await step("the app ignores SIGTERM: when its time is over it is killed, and krun ends", async () => {
    await using krun = startCounting(world, runtime, { env: { KRUN_GRACE_MS: "2000" } });
    await krun.said("in the mesh after", 60_000);
    await krun.exec(["curl", "-s", "http://127.0.0.1:8080/hang"]);
    const tookMs = await krun.stop(30);
    assert.match(krun.log(), /the app has not ended and is killed/);
    assert.ok(tookMs > 1_900 && tookMs < 10_000, `${tookMs} ms with the engine's own\n${krun.log()}`);
  });
  await step("thousands of short-lived orphans: no zombie, no growth", () => orphans(world, runtime));
  await step("no room for the token at the start: krun says so and ends", async () => {
    const script = `head -c 1M /dev/zero > ${TOKENS}/ballast; exec krun -- /e2e/counting-app`;
    await using krun = world.startKrun(runtime, {
      options: ["--tmpfs", `${TOKENS}:size=64k`, "--entrypoint", "sh"],
      command: ["-c", script],
    });
    await krun.said(`make room in ${TOKENS}`, 60_000);
    assert.match(krun.log(), /cannot write \S+istio-token/);
    assert.match(krun.log(), /No space left on device/);
    assert.equal(await krun.exitCode, 1);
  });
  await step("no room for a new token: the old one stays whole; renewed when there is room", async () => {
    await using krun = startCounting(world, runtime, {
      env: { KRUN_TOKEN_RENEW_SECONDS: "2" },
      options: ["--tmpfs", `${TOKENS}:size=64k`],
    });
    await krun.said("token renewed", 60_000);
    await krun.exec(["sh", "-c", `head -c 1M /dev/zero > ${TOKENS}/ballast`]);
    await krun.said("No space left on device");
    const { stdout: token } = await krun.exec(["cat", `${TOKENS}/istio-token`]);
    assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]{40,}$/, "a whole token");
    const { stdout: files } = await krun.exec(["ls", "-A", TOKENS]);
    assert.deepEqual(files.trim().split("\n"), ["ballast", "istio-token"], "no part of a token");
    await krun.exec(["rm", `${TOKENS}/ballast`]);
    await eventually("another token", async () => {
      const { stdout } = await krun.exec(["cat", `${TOKENS}/istio-token`]);
      return stdout !== token || undefined;
    });
    assert.equal(krun.ended, false);
  });
}

async function orphans(world: E2eWorld, runtime: string): Promise<void> {
  const count = runtime === "runc" ? 5_000 : 1_000; // a process costs gVisor several milliseconds
  await using krun = startCounting(world, runtime);
  await krun.said("in the mesh after", 60_000);
  const before = await residentKb(krun);
  const { code, stderr } = await krun.exec([
    "sh",
    "-c",
    `i=0; while [ $i -lt ${count} ]; do (sleep 0 &); i=$((i+1)); done`,
  ]);
  assert.equal(code, 0, stderr);
  await eventually("no zombie", async () => {
    const { stdout } = await krun.exec(["sh", "-c", "grep -h '^State:' /proc/[0-9]*/status | grep -c zombie"]);
    return stdout.trim() === "0" || undefined;
  }, 10_000);
  const grownKb = await residentKb(krun) - before;
  assert.ok(grownKb < 30 << 10, `krun has grown by ${grownKb} kB`);
  await world.reached(krun, "/", /ready/);
}

async function residentKb(krun: Container): Promise<number> {
  const { stdout } = await krun.exec(["grep", "VmRSS", "/proc/1/status"]);
  return Number(/(\d+) kB/.exec(stdout)?.[1]);
}
