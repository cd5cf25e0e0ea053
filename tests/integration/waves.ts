/** Requests that wait for each other's answers: how deep a start is. */
import type { World } from "../emulators/world.ts";

/** Makes every API of the world answer `delayMs` late, and forgets what it was asked before. */
export function delayAll(world: World, delayMs: number): void {
  for (const { faults } of apisOf(world)) {
    faults.requests.length = 0;
    faults.add({ match: /./, delayMs });
  }
}

/**
 * What was asked at once: a wave has all that came before the first of it was answered.
 * @returns the last part of each path, sorted in a wave
 */
export function wavesOf(world: World, delayMs: number): string[][] {
  const requests = apisOf(world).flatMap(({ faults }) => faults.requests).sort((a, b) => a.at - b.at);
  const waves: { at: number; paths: string[] }[] = [];
  for (const { at, path } of requests) {
    const wave = waves.at(-1);
    if (wave && at - wave.at < delayMs) wave.paths.push(path.split("/").at(-1)!);
    else waves.push({ at, paths: [path.split("/").at(-1)!] });
  }
  return waves.map(({ paths }) => paths.sort());
}

function apisOf({ metadata, gke, resourceManager, kubernetes }: World) {
  return [metadata, gke, resourceManager, kubernetes];
}
