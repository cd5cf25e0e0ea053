import assert from "node:assert/strict";
import { stopContainer } from "./container.ts";

function spawn(program: string): Deno.ChildProcess {
  // Says that it listens for the signal before it is sent one.
  const args = ["eval", `${program}; console.log("ready"); setTimeout(() => {}, 60_000)`];
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).spawn();
}

async function ready(child: Deno.ChildProcess): Promise<void> {
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
}

Deno.test("container: its own answer to SIGTERM is its status", async () => {
  const child = spawn(`Deno.addSignalListener("SIGTERM", () => Deno.exit(3))`);
  await ready(child);
  const end = await stopContainer(child);
  assert.deepEqual([end.status.code, end.killed], [3, false]);
  assert.ok(end.tookMs < 5_000, String(end.tookMs));
  assert.equal((await stopContainer(child)).status.code, 3);
});

Deno.test("container: SIGKILL when the grace is over", async () => {
  const child = spawn(`Deno.addSignalListener("SIGTERM", () => {})`);
  await ready(child);
  const end = await stopContainer(child, { graceMs: 100 });
  assert.deepEqual([end.status.signal, end.killed], ["SIGKILL", true]);
  assert.ok(end.tookMs >= 95, String(end.tookMs));
});
