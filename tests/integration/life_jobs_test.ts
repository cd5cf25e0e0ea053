/** A task of a Cloud Run job: it runs as soon as its network is there, listens on nothing, and krun ends as it ends. */
import assert from "node:assert/strict";
import { inWorld as inAppWorld, program } from "./app_scene.ts";
import { inNetworkNamespace, inWorld, pidIn, runs, start, WAIT } from "./agent_scene.ts";
import { freePort } from "../free_port.ts";
import { runKrun, startKrun } from "./krun_process.ts";

const JOB = { CLOUD_RUN_JOB: "nightly", CLOUD_RUN_EXECUTION: "nightly-x7k2p", CLOUD_RUN_TASK_INDEX: "3" };

Deno.test("job: the task needs no port, has the proxy, and its code is krun's", () =>
  inAppWorld(async ({ environment, appPort }) => {
    using _another = Deno.listen({ hostname: "127.0.0.1", port: appPort }); // a port that no task needs is nobody's
    const tunnelPort = freePort();
    const own = { ...JOB, KRUN_TUNNEL_PORT: String(tunnelPort), KRUN_STARTUP_MS: "100" };
    const knock = `(: < /dev/tcp/127.0.0.1/${tunnelPort}) 2>/dev/null && echo open || echo closed`;
    const task = ["bash", "-c", `echo "proxy $HTTP_PROXY"; sleep 0.5; ${knock}; exit 3`];
    const { code, stdout, stderr } = await runKrun(["--proxy=plain", ...task], {
      environment: { ...environment, ...own },
    });
    assert.equal(code, 3, stderr);
    assert.equal(stdout, `proxy http://127.0.0.1:${environment["KRUN_PROXY_PORT"]}\nclosed\n`);
    assert.match(stderr, /in the mesh after/);
    assert.doesNotMatch(stderr, /✗|before it was ready/);
  }));

Deno.test("job: one that is done at once is no failure; one that is cancelled gets SIGTERM", () =>
  inAppWorld(async ({ environment }) => {
    const env = { environment: { ...environment, ...JOB } };
    const done = await runKrun(["--proxy=plain", "true"], env);
    assert.equal(done.code, 0, done.stderr);
    assert.doesNotMatch(done.stderr, /✗/);
    await using krun = startKrun(["--proxy=plain", "sh", "-c", `trap 'exit 9' TERM; echo begun; ${WAIT}`], env);
    await krun.said(/begun/, "stdout");
    krun.kill("SIGTERM");
    assert.equal((await krun.ended).code, 9);
  }));

Deno.test("job: 15009 is there where it is asked for", () =>
  inAppWorld(async ({ directory, environment }) => {
    const tunnelPort = freePort();
    const own = { ...JOB, KRUN_TUNNEL: "krun", KRUN_TUNNEL_PORT: String(tunnelPort) };
    const task = await program(directory, "");
    await using krun = startKrun(["--proxy=none", ...task], { environment: { ...environment, ...own } });
    await krun.said(/in the mesh/);
    let text = "";
    while (text !== "hello") text = await (await fetch(`http://127.0.0.1:${tunnelPort}/`)).text(); // 503 before the task listens
    krun.kill("SIGTERM");
    await krun.ended;
  }));

inNetworkNamespace("job with a pilot-agent of the test's own", import.meta.url, () => {
  Deno.test("job: the proxy is there before the task begins, is named after job and task, and ends with it", () =>
    inWorld(async (scene) => {
      delete scene.environment["startupProbe.http"];
      Object.assign(scene.environment, JOB);
      const agent = `trap 'echo gone > $DIR/gone; exit 0' TERM\n` +
        `echo "$POD_NAME $ISTIO_META_WORKLOAD_NAME" > $DIR/names; echo $$ > $DIR/agent\n${WAIT}`;
      // ready is said by the test's own 15021, which may be before the script has begun
      const task = "while [ ! -s $DIR/agent ]; do sleep 0.01; done; cat $DIR/names; exit 4";
      await using krun = await start(scene, agent, task, []);
      const { code, stdout, stderr } = await krun.ended;
      assert.equal(code, 4, stderr);
      assert.match(stdout, /^nightly-x7k2p-3-[0-9a-f]{8} nightly\n$/);
      assert.equal(await Deno.readTextFile(`${scene.directory}/gone`), "gone\n");
      assert.equal(await runs(await pidIn(`${scene.directory}/agent`)), false);
    }));
});
