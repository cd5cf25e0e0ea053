/** How many answers a whole start waits for, one after the other. */
import assert from "node:assert/strict";
import { kubeconfigOf } from "../emulators/kubeconfig.ts";
import { GOOD, inNetworkNamespace, inWorld, type Scene, start } from "./agent_scene.ts";
import { delayAll, wavesOf } from "./waves.ts";

const DELAY_MS = 250;
const OF_THE_INSTANCE = ["email", "id", "numeric-project-id", "project-id", "region"];

async function waves(scene: Scene): Promise<string[][]> {
  delayAll(scene.world, DELAY_MS);
  await using krun = await start(scene, GOOD, GOOD);
  await krun.said(/in the mesh/);
  return wavesOf(scene.world, DELAY_MS);
}

inNetworkNamespace("start: round trips in depth", import.meta.url, () => {
  Deno.test("Cloud Run: four", () =>
    inWorld(async (scene) => {
      assert.deepEqual(await waves(scene), [
        [...OF_THE_INSTANCE, "token"],
        ["clusters", "demo-project"],
        ["mesh-env", "mesh-env"],
        ["token"],
      ]);
    }));

  Deno.test("a kubeconfig that says the namespace: two, the metadata server meanwhile", () =>
    inWorld(async (scene) => {
      const path = `${scene.directory}/kubeconfig`;
      await Deno.writeTextFile(path, kubeconfigOf(scene.world, "demo"));
      scene.environment["KUBECONFIG"] = path;
      assert.deepEqual(await waves(scene), [[...OF_THE_INSTANCE, "mesh-env", "mesh-env"].sort(), ["token"]]);
    }));
});
