/** The end of krun with a proxy beside it: in order, and soon. */
import assert from "node:assert/strict";
import { freePort } from "../free_port.ts";
import { type KrunProcess } from "./krun_process.ts";
import { inNetworkNamespace, inWorld, pidIn, runs, start, STUBBORN_ENVOY, WAIT } from "./agent_scene.ts";

/** Time from now to krun's end. */
async function endMs(krun: KrunProcess): Promise<number> {
  const startMs = performance.now();
  await krun.ended;
  return performance.now() - startMs;
}

function defineTests(): void {
  Deno.test("an app that dies: 15009 is closed first, then the proxy is ended, all within 500 ms", () =>
    inWorld(async (scene) => {
      const tries: number[] = [];
      for (let i = 0; i < 3; i++) {
        const tunnelPort = freePort();
        const knock = `(: < /dev/tcp/127.0.0.1/${tunnelPort}) 2>/dev/null`;
        const agent =
          `trap 'bash -c "${knock}" && echo open > $DIR/order || echo closed > $DIR/order; exit 0' TERM\necho $$ > $DIR/agent\n${WAIT}`;
        const app = `echo $$ > $DIR/app-runs; ${WAIT}`;
        await using krun = await start(scene, agent, app, [`--tunnel-port=${tunnelPort}`]);
        await krun.said(/in the mesh/);
        await pidIn(`${scene.directory}/agent`); // it hears from now on
        Deno.kill(await pidIn(`${scene.directory}/app-runs`), "SIGKILL");
        tries.push(await endMs(krun));
        const { code, stderr } = await krun.ended;
        assert.equal(code, 137, stderr);
        assert.equal(await Deno.readTextFile(`${scene.directory}/order`), "closed\n");
        for (const name of ["order", "agent", "app-runs"]) await Deno.remove(`${scene.directory}/${name}`);
      }
      assert.ok(Math.min(...tries) < 500, `${tries.map(Math.round)} ms`);
    }));

  Deno.test("a second SIGTERM: app, agent and Envoy that do not hear are killed at once", () =>
    inWorld(async (scene) => {
      const agent = `trap '' TERM\n${STUBBORN_ENVOY}\necho $$ > $DIR/agent\n${WAIT}`;
      const names = ["agent", "envoy", "app-runs"].map((name) => `${scene.directory}/${name}`);
      const tries: number[] = [];
      while (tries.length < 3 && !(tries.at(-1)! < 1_900)) {
        await using krun = await start(scene, agent, `trap '' TERM; echo $$ > $DIR/app-runs; ${WAIT}`);
        await krun.said(/in the mesh/);
        const pids = await Promise.all(names.map(pidIn));
        const timer = setInterval(() => krun.kill("SIGTERM"), 50);
        tries.push(await endMs(krun).finally(() => clearInterval(timer)));
        assert.equal((await krun.ended).code, 137);
        assert.deepEqual(await Promise.all(pids.map(runs)), [false, false, false]);
        for (const name of names) await Deno.remove(name);
      }
      assert.ok(tries.at(-1)! < 1_900, `${tries} ms: the agent alone may take 2 s where nobody hurries`);
    }));

  Deno.test("an app and an agent that do not hear: their time is the app's, and nothing is left", () =>
    inWorld(async (scene) => {
      scene.environment["KRUN_GRACE_MS"] = "500";
      const agent = `trap '' TERM\n${STUBBORN_ENVOY}\necho $$ > $DIR/agent\n${WAIT}`;
      await using krun = await start(scene, agent, `trap '' TERM; echo $$ > $DIR/app-runs; ${WAIT}`);
      await krun.said(/in the mesh/);
      const pids = await Promise.all(["agent", "envoy", "app-runs"].map((name) => pidIn(`${scene.directory}/${name}`)));
      krun.kill("SIGTERM");
      const tookMs = await endMs(krun);
      assert.equal((await krun.ended).code, 137);
      assert.deepEqual(await Promise.all(pids.map(runs)), [false, false, false]);
      assert.ok(tookMs >= 450 && tookMs < 2_000, `${tookMs} ms`);
    }));
}

inNetworkNamespace("krun's end with a proxy beside it", import.meta.url, defineTests);
