/** Rules are made while the proxy starts, before the app, and are nobody's where the mesh is not joined after all. */
import assert from "node:assert/strict";
import { runHere } from "../../lib/capture/mod.ts";
import { GOOD, inNetworkNamespace, inWorld, type Scene, start } from "./agent_scene.ts";
import { startKrun } from "./krun_process.ts";

const APP = `echo started\n${GOOD}`;

/** A proxy that is not ready until `status` is 200. */
function inScene(readyMs: number, test: (scene: Scene) => Promise<void>): Promise<void> {
  return inWorld(async (scene) => {
    scene.status = 503;
    Object.assign(scene.environment, { KRUN_CAPTURE: "required", KRUN_PROXY_READY_MS: String(readyMs) });
    await test(scene);
  });
}

async function rules(): Promise<boolean> {
  return /ISTIO_OUTPUT/.test((await runHere("iptables-save", []))!.stdout);
}

inNetworkNamespace("start: capture while the proxy starts", import.meta.url, () => {
  Deno.test("rules are in force before the proxy is ready and the app starts, and end with krun", () =>
    inScene(60_000, async (scene) => {
      await using krun = await start(scene, GOOD, APP);
      await krun.said(/traffic is captured by iptables/);
      assert.equal(await rules(), true);
      assert.equal(krun.soFar("stdout"), "");
      assert.doesNotMatch(krun.soFar("stderr"), /proxy ready/);
      scene.status = 200;
      await krun.said(/started/, "stdout");
      assert.match(krun.soFar("stderr"), /proxy ready/);
      krun.kill("SIGTERM");
      await krun.ended;
      assert.equal(await rules(), false);
    }));

  Deno.test("a proxy that does not get ready leaves no rules, also to an app that runs without the mesh", () =>
    inScene(1_000, async (scene) => {
      await using failed = await start(scene, GOOD, APP);
      assert.equal((await failed.ended).code, 1);
      assert.equal(await rules(), false);
      scene.environment["MESH_REQUIRED"] = "false";
      await using krun = await start(scene, GOOD, APP);
      await krun.said(/traffic is captured by iptables/);
      await krun.said(/started/, "stdout");
      assert.equal(await rules(), false);
    }));

  Deno.test("traffic of an app that runs already is taken only when the proxy is ready", () =>
    inScene(60_000, async (scene) => {
      await (await start(scene, GOOD, APP))[Symbol.asyncDispose](); // leaves the agent's script
      await using krun = startKrun(["--tunnel=none"], { environment: scene.environment });
      await krun.said(/identity spiffe/);
      assert.equal(await rules(), false);
      scene.status = 200;
      await krun.said(/proxy ready[^]*traffic is captured/);
      assert.equal(await rules(), true);
    }));
});
