/** How krun ends: in Cloud Run's ten seconds whatever the app does, at once when it is told twice, and with all of a script's processes. */
import assert from "node:assert/strict";
import { inWorld, program, QUIET } from "./app_scene.ts";
import { freePort } from "../free_port.ts";
import { type KrunProcess, startKrun } from "./krun_process.ts";

const DEAF =
  'for (const signal of ["SIGTERM", "SIGINT"]) Deno.addSignalListener(signal, () => say("heard " + signal));';

async function took(run: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await run();
  return performance.now() - startMs;
}

/** Signals again and again until it has ended. */
async function insist(krun: KrunProcess, signal: Deno.Signal): Promise<void> {
  const timer = setInterval(() => krun.kill(signal), 50);
  await krun.ended.finally(() => clearInterval(timer));
}

Deno.test("an app that does not hear SIGTERM is killed when its time is over; its tunnels were cut before", () =>
  inWorld(async ({ directory, environment }) => {
    const app = await program(
      directory,
      `${DEAF}
       const other = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.env.get("OTHER")) });
       void (async () => { const conn = await other.accept();
         while (await conn.read(new Uint8Array(9)) !== null); say("the tunnel ended"); })().catch(() => say("the tunnel ended"));`,
    );
    const [tunnelPort, otherPort] = [freePort(), freePort()];
    const own = {
      KRUN_TUNNEL_PORT: String(tunnelPort),
      PORT_other: String(otherPort),
      OTHER: String(otherPort),
      KRUN_GRACE_MS: "1200",
    };
    await using krun = startKrun(["--proxy=none", ...app], { environment: { ...environment, ...own } });
    await krun.said(/in the mesh/);
    const client = Deno.createHttpClient({ http1: false, http2: true });
    const never = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("x")) });
    const tunnel = await fetch(`http://127.0.0.1:${tunnelPort}/_hbone/other`, { method: "POST", body: never, client });
    const cut = tunnel.text().catch(() => {});
    const tookMs = await took(async () => {
      krun.kill("SIGTERM");
      await krun.said(/the tunnel ended/, "stdout");
      assert.doesNotMatch(krun.soFar("stderr"), /is killed/, "the app had time after its last tunnel");
      await krun.ended;
    });
    await cut;
    client.close();
    const { code, stdout, stderr } = await krun.ended;
    assert.equal(code, 137);
    assert.equal(stdout, "heard SIGTERM\nthe tunnel ended\n");
    assert.match(stderr, /! krun\.app: the app has not ended and is killed: 1200 ms after SIGTERM\n/);
    assert.ok(tookMs >= 1_150 && tookMs < 4_000, `${tookMs} ms`);
  }));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`a second ${signal} kills an app that does not hear, cuts its tunnels, and waits for nothing`, () =>
    inWorld(async ({ directory, environment }) => {
      const app = await program(directory, DEAF);
      const own = { KRUN_TUNNEL_PORT: String(freePort()) };
      await using krun = startKrun(["--proxy=none", ...app], { environment: { ...environment, ...own } });
      await krun.said(/in the mesh/);
      const client = Deno.createHttpClient({ http1: false, http2: true });
      const never = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("x")) });
      const url = `http://127.0.0.1:${own.KRUN_TUNNEL_PORT}/_hbone/http`;
      const tunnel = await fetch(url, { method: "POST", body: never, client });
      const tookMs = await took(() => insist(krun, signal));
      await tunnel.text().catch(() => {});
      client.close();
      const { code, stderr } = await krun.ended;
      assert.equal(code, 137);
      assert.match(stderr, new RegExp(`the app has not ended and is killed: a second signal, ${signal}\n`));
      assert.ok(tookMs < 3_000, `${tookMs} ms`);
    }));
}

Deno.test("one wish that comes twice, to krun and to its group, is one: the app ends in its own time", () =>
  inWorld(async ({ directory, environment }) => {
    const app = await program(
      directory,
      'Deno.addSignalListener("SIGTERM", () => setTimeout(() => Deno.exit(41), 400));',
    );
    await using krun = startKrun([...QUIET, ...app], { environment });
    await krun.said(/in the mesh/);
    krun.kill("SIGTERM");
    krun.kill("SIGTERM");
    const { code, stderr } = await krun.ended;
    assert.equal(code, 41, stderr);
  }));

Deno.test("no command: a second signal cuts what is open", () =>
  inWorld(async ({ environment, appPort }) => {
    const tunnelPort = freePort();
    const own = { KRUN_TUNNEL_PORT: String(tunnelPort) };
    await using krun = startKrun(["--proxy=none"], { environment: { ...environment, ...own } });
    using app = Deno.listen({ hostname: "127.0.0.1", port: appPort });
    await krun.said(/in the mesh/);
    const peer = await Deno.connect({ hostname: "127.0.0.1", port: tunnelPort });
    await peer.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    for (;;) { // past the probes of krun
      const conn = await app.accept();
      if (await conn.read(new Uint8Array(100)) !== null) break;
      conn.close();
    }
    const tookMs = await took(() => insist(krun, "SIGTERM"));
    peer.close();
    assert.equal((await krun.ended).code, 0);
    assert.ok(tookMs < 3_000, `${tookMs} ms`);
  }));

/** Waits for its child, which tells what it hears and does not outlive the script. */
const SCRIPT = `
  sh -c 'trap "echo child heard TERM; exit 0" TERM; echo ready; while [ -d /proc/$PPID ]; do sleep 0.02; done' &
  trap 'wait; exit 7' TERM
  wait`;

Deno.test("signals reach a script's children when krun is told so, and only then", () =>
  inWorld(async ({ environment }) => {
    for (const [flags, heard] of [[[], false], [["--signal-group"], true]] as const) {
      const probe = { "startupProbe.tcp": "127.0.0.1:1", KRUN_GRACE_MS: "600" };
      await using krun = startKrun([...QUIET, ...flags, "sh", "-c", SCRIPT], {
        environment: { ...environment, ...probe },
      });
      await krun.said(/ready/, "stdout");
      krun.kill("SIGTERM");
      const { code, stdout } = await krun.ended;
      assert.deepEqual([code, stdout], heard ? [7, "ready\nchild heard TERM\n"] : [137, "ready\n"]);
    }
  }));
