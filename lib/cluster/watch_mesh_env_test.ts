import assert from "node:assert/strict";
import { setUpLogging } from "../base/log.ts";
import { watchMeshEnv } from "./watch_mesh_env.ts";

Deno.test("mesh-env is read again and again, one reading at a time; trouble is said when it begins and when it ends", async () => {
  const lines: string[] = [];
  await setUpLogging({ level: "info", format: "text", write: (line) => lines.push(line) });
  const readings: (string | Error)[] = ["a", "b", new Error("away"), new Error("away"), "b", new Error("gone"), "c"];
  const taken: string[] = [];
  const times: number[] = [];
  let [now, open, most] = [0, 0, 0];
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const watch = watchMeshEnv<string>({
    everyMs: 1,
    now: () => now++,
    read: async () => {
      most = Math.max(most, ++open);
      times.push(watch.readAt());
      await new Promise((resolve) => setTimeout(resolve, 3));
      open--;
      const said = readings.shift();
      if (said === undefined) end();
      if (said instanceof Error) throw said;
      return said ?? "c";
    },
    take: (said) => {
      taken.push(said);
      return said === "c" ? Promise.reject(new Error("c is not liked")) : Promise.resolve();
    },
  });
  await over;
  await watch[Symbol.asyncDispose]();
  await setUpLogging({ level: "error", format: "text", write: () => {} });
  assert.equal(most, 1);
  assert.deepEqual(taken.slice(0, 4), ["a", "b", "b", "c"]);
  assert.deepEqual(times.slice(0, 8), [0, 1, 2, 2, 2, 3, 3, 3], "readAt stands still while it fails");
  const said = lines.map((line) => line.trim().replace(/^.*krun\.cluster: /, ""));
  assert.deepEqual(said, [
    "mesh-env cannot be followed, all stays as it is: away",
    "mesh-env is followed again",
    "mesh-env cannot be followed, all stays as it is: gone",
    "mesh-env cannot be followed, all stays as it is: c is not liked",
  ]);
});

Deno.test("mesh-env: a wait or a request under way does not hold up the end; a signal ends it too", async () => {
  const waiting = watchMeshEnv({ everyMs: 60_000, read: () => Promise.resolve(1), take: () => Promise.resolve() });
  await waiting[Symbol.asyncDispose]();
  const asked = Promise.withResolvers<AbortSignal>();
  const ending = new AbortController();
  const asking = watchMeshEnv({
    everyMs: 0,
    signal: ending.signal,
    read: (signal) => {
      asked.resolve(signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
    take: () => Promise.resolve(),
  });
  const signal = await asked.promise;
  ending.abort(new Error("SIGTERM"));
  assert.equal(signal.aborted, true);
  await asking[Symbol.asyncDispose]();
});
