/** The app as krun runs it: after the network, with what it would have had without krun, and ending as it ends. */
import assert from "node:assert/strict";
import { startWorld } from "../emulators/world.ts";
import { inWorld, program, QUIET } from "./app_scene.ts";
import { freePort } from "../free_port.ts";
import { type KrunOptions, runKrun, startKrun, withDirectory } from "./krun_process.ts";

Deno.test("app: environment, arguments, working directory and standard streams are its own", () =>
  inWorld(async ({ directory, environment, appPort }) => {
    const script = 'cat; echo "$0|$1|$2"; pwd; echo on-stderr >&2; env; exit 5';
    const given = { ...environment, MINE: "a b", PORT: "15009", GRPC_XDS_EXPERIMENTAL_RBAC: "false" };
    const { code, stdout, stderr } = await runKrun(
      [...QUIET, "--", "sh", "-c", script, "zero", "--proxy=x", "two words"],
      { environment: given, cwd: directory, stdin: "from stdin\n" },
    );
    assert.equal(code, 5, stderr);
    const lines = stdout.split("\n");
    assert.deepEqual(lines.slice(0, 3), ["from stdin", "zero|--proxy=x|two words", await Deno.realPath(directory)]);
    assert.match(stderr, /^on-stderr$/m);
    const seen = Object.fromEntries(
      lines.slice(3).filter((line) => line.includes("=")).map((line) => line.split(/=(.*)/s)),
    );
    assert.equal(seen["MINE"], "a b");
    assert.equal(seen["PORT"], String(appPort));
    assert.equal(seen["GRPC_XDS_BOOTSTRAP"], `${directory}/etc/istio/proxy/grpc_bootstrap.json`);
    assert.equal(seen["GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT"], "true");
    assert.equal(seen["GRPC_XDS_EXPERIMENTAL_RBAC"], "false", "what the user set stays");
    assert.equal(seen["HTTP_PROXY"], undefined, "no proxy, no variables of it");
    assert.match(stderr, /✗ krun: the app ended with 5 before it was ready on 127\.0\.0\.1:\d+$/m);
  }));

Deno.test({
  name: "app: runs as K8S_UID, without root's groups",
  ignore: Deno.uid() !== 0, // only root can become another user
  fn: () =>
    inWorld(async ({ environment }) => {
      const { stdout } = await runKrun([...QUIET, "sh", "-c", "id -u; id -g; id -G"], {
        environment: { ...environment, K8S_UID: "12345" },
      });
      assert.equal(stdout, "12345\n12345\n12345\n");
    }),
});

Deno.test("app: is started when proxy and identity are there, and told of the proxy", () =>
  inWorld(async ({ directory, environment }) => {
    const app = await program(
      directory,
      `const proxy = new URL(Deno.env.get("HTTP_PROXY"));
       (await Deno.connect({ hostname: proxy.hostname, port: Number(proxy.port) })).close();
       say("proxy " + proxy.port + " " + Deno.env.get("http_proxy") + " token " +
         Deno.readTextFileSync("${directory}/var/run/secrets/tokens/istio-token").split(".").length);`,
    );
    await using krun = startKrun(["--proxy=plain", "--tunnel=none", ...app], { environment });
    await krun.said(
      /in the mesh after \d+ ms clusterMs=\d+ identityMs=\d+ proxyMs=\d+ captureMs=\d+ appMs=\d+ tunnelMs=\d+ cluster=GKE/,
    );
    const port = environment["KRUN_PROXY_PORT"];
    assert.equal(krun.soFar("stdout"), `proxy ${port} http://127.0.0.1:${port} token 3\n`);
    krun.kill("SIGTERM");
    assert.equal((await krun.ended).code, 143);
  }));

for (const [signal, code] of [["SIGTERM", 41], ["SIGINT", 42]] as const) {
  Deno.test(`app: ${signal} reaches it, once, and krun ends with its code`, () =>
    inWorld(async ({ directory, environment }) => {
      const app = await program(
        directory,
        `Deno.addSignalListener("${signal}", () => { say("got ${signal}"); setTimeout(() => Deno.exit(${code}), 100); });`,
      );
      await using krun = startKrun([...QUIET, ...app], { environment });
      await krun.said(/in the mesh/);
      krun.kill(signal);
      const end = await krun.ended;
      assert.equal(end.code, code);
      assert.equal(end.stdout, `got ${signal}\n`);
    }));
}

Deno.test("app: killed by a signal is 128 and the signal's number", () =>
  inWorld(async ({ environment }) => {
    assert.equal((await runKrun([...QUIET, "sh", "-c", "kill -9 $$"], { environment })).code, 137);
  }));

Deno.test("app: ready when startupProbe.http says so, and not before", () =>
  inWorld(async ({ directory, environment, appPort }) => {
    const app = await program(directory, "");
    await Deno.writeTextFile(
      `${directory}/app.js`,
      `let asked = 0;
       Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} },
         (request) => new Response("", { status: new URL(request.url).pathname === "/ready" && ++asked > 3 ? 200 : 503 }));`,
    );
    const probe = `http://127.0.0.1:${appPort}/ready`;
    await using krun = startKrun([...QUIET, ...app], { environment: { ...environment, "startupProbe.http": probe } });
    await krun.said(/in the mesh/);
  }));

Deno.test("app: one that never answers its probe ends krun, and is ended", () =>
  inWorld(async ({ directory, environment, appPort }) => {
    const app = await program(directory, `say(String(Deno.pid));`);
    const probe = `http://127.0.0.1:${appPort}/`;
    await Deno.writeTextFile(
      `${directory}/app.js`,
      `console.log(Deno.pid); Deno.serve({ hostname: "127.0.0.1", port: ${appPort}, onListen() {} }, () => new Response("", { status: 500 }));`,
    );
    const { code, stdout, stderr } = await runKrun([...QUIET, ...app], {
      environment: { ...environment, "startupProbe.http": probe, KRUN_STARTUP_MS: "700" },
    });
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`cannot wait for the app on ${probe}\n  got: not ready after 700 ms: it answers 500\n`),
    );
    await assert.rejects(Deno.stat(`/proc/${stdout.trim()}/stat`), Deno.errors.NotFound);
  }));

Deno.test("no command: krun waits for the app in another container, and ends by the signal", () =>
  inWorld(async ({ environment, appPort }) => {
    await using krun = startKrun(QUIET, { environment });
    await krun.said(/identity spiffe/);
    using _app = Deno.listen({ hostname: "127.0.0.1", port: appPort });
    await krun.said(/in the mesh/);
    krun.kill("SIGTERM");
    assert.equal((await krun.ended).code, 0);
  }));

Deno.test("no command: a signal before the app is there", () =>
  inWorld(async ({ environment }) => {
    await using krun = startKrun(QUIET, { environment });
    await krun.said(/identity spiffe/);
    krun.kill("SIGINT");
    assert.equal((await krun.ended).code, 130);
  }));

const EARLY: [name: string, match: RegExp][] = [["while the cluster is looked for", /clusters/], [
  "while it joins",
  /token/,
]];
for (const [name, match] of EARLY) {
  Deno.test(`a signal ${name} ends krun with 143, and the app is never started`, () =>
    withDirectory(async (directory) => {
      await using world = await startWorld();
      const emulator = match.source === "token" ? world.kubernetes : world.gke;
      emulator.faults.add({ match, action: "hang" });
      const options: KrunOptions = { environment: { ...world.environment, MESH_BASE_DIR: directory, MESH_DEBUG: "1" } };
      await using krun = startKrun([...QUIET, "touch", `${directory}/started`], options);
      let ended: string | undefined;
      void krun.ended.then(({ stderr }) => ended = stderr);
      while (emulator.faults.seen(match).length === 0) {
        assert.equal(ended, undefined, "it ended before it asked");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      krun.kill("SIGTERM");
      assert.equal((await krun.ended).code, 143);
      await assert.rejects(Deno.stat(`${directory}/started`), Deno.errors.NotFound);
    }));
}

Deno.test("a signal while the proxy starts ends the proxy first", () =>
  inWorld(async ({ directory, environment }) => {
    const agent = `${directory}/pilot-agent`;
    const script =
      `#!/bin/sh\ntrap 'echo gone > ${directory}/gone; exit 0' TERM\necho begun\nwhile true; do sleep 0.05; done\n`;
    await Deno.writeTextFile(agent, script, { mode: 0o755 });
    await Deno.chmod(directory, 0o777);
    const own = { KRUN_PILOT_AGENT: agent, KRUN_ENVOY: agent, KRUN_CAPTURE: "none" };
    await using krun = startKrun(["--tunnel=none", "true"], { environment: { ...environment, ...own } });
    await krun.said(/begun/);
    krun.kill("SIGTERM");
    assert.equal((await krun.ended).code, 143);
    assert.equal(await Deno.readTextFile(`${directory}/gone`), "gone\n");
  }));

Deno.test("a proxy that ends takes the app with it, and krun says so", () =>
  inWorld(async ({ directory, environment }) => {
    await Deno.chmod(directory, 0o755); // for the agent's user
    const own = { KRUN_PILOT_AGENT: "/bin/false", KRUN_ENVOY: "/bin/false", KRUN_CAPTURE: "none" };
    const { code, stderr } = await runKrun(["--tunnel=none", "true"], { environment: { ...environment, ...own } });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^krun: cannot start \/bin\/false with control plane 192\.0\.2\.10:15012\n {2}got: pilot-agent ended with 1\n/m,
    );
  }));

Deno.test("the tunnel's end opens last, and ends with krun", () =>
  inWorld(async ({ directory, environment, appPort }) => {
    const app = await program(directory, "await new Promise((resolve) => setTimeout(resolve, 300));");
    const tunnelPort = freePort();
    const own = { KRUN_TUNNEL_PORT: String(tunnelPort), KRUN_TUNNEL_WORKERS: "1" };
    await using krun = startKrun(["--proxy=none", ...app], { environment: { ...environment, ...own } });
    const accepts = (port: number) =>
      Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), true), () => false);
    const opened = (async () => {
      while (!await accepts(tunnelPort)) await new Promise((resolve) => setTimeout(resolve, 5));
    })();
    await Promise.race([opened, krun.ended.then(({ stderr }) => assert.fail(stderr))]);
    assert.equal(await accepts(appPort), true, "the app was there before");
    const answer = await fetch(`http://127.0.0.1:${tunnelPort}/`);
    assert.equal(await answer.text(), "hello");
    await krun.said(new RegExp(`in the mesh after .* tunnelPort=${tunnelPort}`));
  }));
