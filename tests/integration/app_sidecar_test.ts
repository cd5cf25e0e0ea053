/** krun with a pilot-agent of the test's own: when the app starts, what it sees, and who ends whom. */
import assert from "node:assert/strict";
import { messageOf } from "./krun_process.ts";
import {
  GOOD,
  inNetworkNamespace,
  inWorld,
  isThere,
  pause,
  pidIn,
  runs,
  start,
  STUBBORN_ENVOY,
  WAIT,
} from "./agent_scene.ts";

function defineTests(): void {
  Deno.test("the app is started when the proxy is ready, and not before", () =>
    inWorld(async (scene) => {
      scene.status = 503;
      await using krun = await start(scene, GOOD, `echo $$ > $DIR/app-runs\n${GOOD}`);
      await krun.said(/begun/);
      await pause(150);
      assert.equal(await isThere(`${scene.directory}/app-runs`), false);
      scene.status = 200;
      await krun.said(/proxy ready after \d+ ms pid=\d+/);
      await krun.said(/in the mesh/);
      await pidIn(`${scene.directory}/app-runs`);
      krun.kill("SIGTERM");
      const { code, stderr } = await krun.ended;
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr, /[!✗] /);
    }));

  Deno.test("the agent has its own environment, user and directory; the app has its own", () =>
    inWorld(async (scene) => {
      const agent =
        `env > $DIR/agent-env\nid -u > $DIR/agent-user\npwd > $DIR/agent-pwd\necho "$@" > $DIR/agent-args\necho $$ > $DIR/agent\n${GOOD}`;
      await using krun = await start(scene, agent, `env > $DIR/app-env\necho $$ > $DIR/app-runs\n${GOOD}`);
      await krun.said(/in the mesh/);
      for (const name of ["agent", "app-runs"]) await pidIn(`${scene.directory}/${name}`);
      const read = (name: string) => Deno.readTextFile(`${scene.directory}/${name}`);
      const agentEnvironment = await read("agent-env");
      assert.doesNotMatch(agentEnvironment, /of-the-app-alone|KRUN_|GCE_METADATA_HOST|CLOUDSDK|startupProbe/);
      assert.match(agentEnvironment, /^POD_NAMESPACE=demo$/m);
      assert.match(agentEnvironment, /^PROXY_CONFIG=\{.*"discoveryAddress":"192\.0\.2\.10:15012"/m);
      assert.equal(await read("agent-user"), "1337\n");
      assert.equal(await read("agent-pwd"), `${await Deno.realPath(scene.directory)}\n`);
      assert.match(await read("agent-args"), /^proxy sidecar --domain demo\.svc\.cluster\.local /);
      const appEnvironment = await read("app-env");
      assert.match(appEnvironment, /^APP_SECRET_KEY=of-the-app-alone$/m);
      assert.doesNotMatch(appEnvironment, /^(POD_NAMESPACE|PROXY_CONFIG|ISTIOD_SAN)=/m);
    }));

  for (const [how, reason] of [["by itself", "5: begun \\| cannot go on"], ["by SIGKILL", "SIGKILL: begun"]] as const) {
    Deno.test(`an agent that dies ${how} is started again; the app is left alone, the old Envoy is not`, () =>
      inWorld(async (scene) => {
        const { directory } = scene;
        const first = `mkdir $DIR/started\n${STUBBORN_ENVOY}\ntrap 'exit 0' TERM\necho begun\necho $$ > $DIR/agent\n` +
          "while [ ! -e $DIR/die ]; do sleep 0.02; done\necho cannot go on\nexit 5";
        const app = `trap 'exit 0' TERM\necho $$ > $DIR/app-runs\n${WAIT}`;
        await using krun = await start(scene, `[ -d $DIR/started ] || {\n${first}\n}\n${GOOD}`, app);
        await krun.said(/in the mesh/);
        const [agent, envoy, ofApp] = await Promise.all(
          ["agent", "envoy", "app-runs"].map((name) => pidIn(`${directory}/${name}`)),
        );
        if (how === "by SIGKILL") Deno.kill(agent!, "SIGKILL");
        else await Deno.writeTextFile(`${directory}/die`, "");
        await krun.said(/the proxy is back/);
        assert.match(
          krun.soFar("stderr"),
          new RegExp(
            `✗ krun.proxy: the proxy has ended and is started again in \\d+ ms: pilot-agent ended with ${reason}\n`,
          ),
        );
        assert.equal(await runs(envoy!), false, "Envoy");
        assert.equal(await runs(ofApp!), true, "the app");
        krun.kill("SIGTERM");
        assert.equal((await krun.ended).code, 0);
      }));
  }

  Deno.test("an Envoy that outlives its agent is ended", () =>
    inWorld(async (scene) => {
      await using krun = await start(scene, `${STUBBORN_ENVOY}\n${GOOD}`, "exit 6");
      const { code } = await krun.ended;
      assert.equal(code, 6, "the app's own code");
      assert.equal(await runs(await pidIn(`${scene.directory}/envoy`)), false);
    }));

  Deno.test("an agent that does not end when told to is killed, and its Envoy with it", () =>
    inWorld(async (scene) => {
      const agent = `trap '' TERM\n${STUBBORN_ENVOY}\necho $$ > $DIR/agent\n${WAIT}`;
      await using krun = await start(scene, agent, GOOD);
      await krun.said(/in the mesh/);
      const startedAt = performance.now();
      krun.kill("SIGTERM");
      const { code } = await krun.ended;
      const tookMs = performance.now() - startedAt;
      assert.equal(code, 0);
      assert(tookMs < 5_000, `${tookMs} ms, of Cloud Run's 10 s`);
      for (const name of ["agent", "envoy"]) {
        assert.equal(await runs(await pidIn(`${scene.directory}/${name}`)), false, name);
      }
    }));

  Deno.test("an agent that never gets ready: its last words, and nothing stays", () =>
    inWorld(async (scene) => {
      scene.status = 503;
      scene.environment["KRUN_PROXY_READY_MS"] = "1000";
      const agent = `${STUBBORN_ENVOY}\necho "2026-01-01T00:00:00Z	warn	xds	no such host"\n${GOOD}`;
      await using krun = await start(scene, agent, `touch $DIR/app-runs`);
      const end = await krun.ended;
      assert.equal(end.code, 1);
      assert.match(
        messageOf(end),
        /^krun: cannot start \S+pilot-agent with control plane 192\.0\.2\.10:15012\n {2}got: not ready after 1000 ms; its last lines: .*no such host \| begun\n {2}do: check that the control plane's address/,
      );
      assert.equal(await isThere(`${scene.directory}/app-runs`), false);
      assert.equal(await runs(await pidIn(`${scene.directory}/envoy`)), false);
    }));
}

inNetworkNamespace("sidecar: krun with a pilot-agent of the test's own", import.meta.url, defineTests);
