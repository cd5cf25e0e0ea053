/** A million ClientHellos, most of them wrong: `deno task fuzz [count] [seed]`. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { checkHonest, checkHostile, honestInputs, hostileInputs } from "./client_hello_inputs.ts";

const count = Number(Deno.args[0] ?? 1_000_000);
const firstSeed = Number(Deno.args[1] ?? Date.now() % 1_000_000);
const BATCH = 20_000;
const MIB = 1_048_576;

let done = 0;
let settledBytes = 0;
const startMs = performance.now();
for (let seed = firstSeed; done < count; seed++) {
  fc.assert(fc.property(hostileInputs, checkHostile), { numRuns: BATCH * 0.9, seed });
  fc.assert(fc.property(honestInputs, checkHonest), { numRuns: BATCH * 0.1, seed });
  done += BATCH;
  if (done === Math.min(count, 5 * BATCH)) settledBytes = Deno.memoryUsage().rss;
}
const seconds = (performance.now() - startMs) / 1_000;
const grownBytes = Deno.memoryUsage().rss - settledBytes;
const text = `${done} inputs from seed ${firstSeed} in ${seconds.toFixed(0)} s, grown by ${
  (grownBytes / MIB).toFixed(0)
} MiB after the first batches\n`;
Deno.stdout.writeSync(new TextEncoder().encode(text));
assert.ok(grownBytes < 64 * MIB, "memory grows");
