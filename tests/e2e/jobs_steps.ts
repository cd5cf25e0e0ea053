import assert from "node:assert/strict";
import type { E2eWorld } from "./world.ts";

/** A task of a job calls a service of the mesh and ends with a code of its own; nothing listens for requests. */
export async function job(world: E2eWorld, runtime: string): Promise<void> {
  const task = [
    "curl -sS -m 10 http://echo:8080/debug",
    "ls -d /proc/[0-9]* | while read p; do cat $p/comm; done | sort | uniq -c",
    "(: < /dev/tcp/127.0.0.1/15009) 2>/dev/null && echo 15009 is open || echo 15009 is closed",
    "exit 7",
  ].join("; ");
  await using krun = world.startKrun(runtime, {
    env: {
      WORKLOAD_NAME: "",
      CLOUD_RUN_JOB: "nightly",
      CLOUD_RUN_EXECUTION: "nightly-x7k2p",
      CLOUD_RUN_TASK_INDEX: "3",
      KRUN_STARTUP_MS: "100",
    },
    command: ["bash", "-c", task],
  });
  assert.equal(await krun.exitCode, 7, krun.log());
  assert.match(krun.log(), /X-Forwarded-Client-Cert:.*URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/default/i);
  assert.match(krun.log(), /15009 is closed/);
  assert.doesNotMatch(krun.log(), /✗/);
}
