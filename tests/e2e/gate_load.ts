import assert from "node:assert/strict";
import type { Container } from "./container.ts";
import { loadFromPod } from "./pod_load.ts";
import { say } from "./say.ts";
import type { E2eWorld } from "./world.ts";

const PER_SECOND = 100;

/** Load from the pod through the gate for as long as `fault` takes, and 3 s more; every request is counted. */
export async function loadDuring(
  world: E2eWorld,
  krun: Container,
  { what, mayFail = 0, connections }: { what: string; mayFail?: number; connections: number },
  fault: () => Promise<void>,
): Promise<void> {
  const load = await loadFromPod(world, "/", 240, { connections, perSecond: PER_SECOND });
  const started = performance.now();
  try {
    await fault();
  } catch (error) {
    await load.end();
    throw error;
  }
  const seconds = (performance.now() - started) / 1_000;
  await new Promise((resolve) => setTimeout(resolve, 3_000)); // a loss may come late
  const { answered, failed, text } = await load.end();
  say(`${what}: ${answered} answered, ${failed} failed; the fault took ${seconds.toFixed(1)} s`);
  assert.ok(failed <= mayFail, `${failed} requests failed, ${mayFail} may\n${text}\n${krun.log()}`);
  assert.ok(answered > seconds * PER_SECOND * 0.5, text);
}
