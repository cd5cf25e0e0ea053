/** mesh-env changes under a running app: new roots and addresses are taken, wrong ones are not, and the app is never touched. */
import assert from "node:assert/strict";
import { type CertificateAuthority, createAuthority } from "../emulators/certificates.ts";
import { freePort } from "../free_port.ts";
import { type KrunProcess } from "./krun_process.ts";
import { GOOD, inNetworkNamespace, inWorld, pause, pidIn, runs, type Scene, start, WAIT } from "./agent_scene.ts";

/** Writes what it was started with; each start anew. */
const AGENT = `trap 'exit 0' TERM\necho "$PROXY_CONFIG" > $DIR/config\necho "$ISTIO_META_LATER" > $DIR/later\n` +
  `n=$(cat $DIR/starts 2>/dev/null || echo 0); echo $((n+1)) > $DIR/starts; echo $$ > $DIR/agent\n${WAIT}`;
const APP = `echo $$ > $DIR/app-runs\n${GOOD}`;

/** Answers TLS as istiod on 15012 of a loopback address, with a certificate of this authority. */
function istiod(authority: CertificateAuthority, hostname: string): Disposable {
  const key = authority.issue({ commonName: "istiod", subjectAltNames: ["istiod.istio-system.svc"] });
  const listener = Deno.listenTls({ hostname, port: 15_012, cert: key.certificatePem, key: key.privateKeyPem });
  void (async () => {
    for (;;) {
      try {
        const conn = await listener.accept();
        void conn.handshake().catch(() => {}).finally(() => conn.close());
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
      }
    }
  })();
  return listener;
}

async function running(scene: Scene, flags: readonly string[] = ["--tunnel=none"]) {
  scene.world.meshEnv["IMCON_ADDR"] = "127.0.0.1";
  scene.environment["KRUN_MESH_ENV_POLL_MS"] = "50";
  const krun = await start(scene, AGENT, APP, flags);
  await krun.said(/in the mesh/);
  const read = (name: string) => Deno.readTextFile(`${scene.directory}/${name}`);
  const app = await pidIn(`${scene.directory}/app-runs`);
  const agent = await pidIn(`${scene.directory}/agent`);
  /** Whatever became of mesh-env, krun ends in order, and nothing of it is left. */
  const end = async () => {
    const last = await pidIn(`${scene.directory}/agent`);
    krun.kill("SIGTERM");
    const { code, stderr } = await krun.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual([await runs(app), await runs(last)], [false, false]);
  };
  return { krun, app, agent, read, end, [Symbol.asyncDispose]: () => krun[Symbol.asyncDispose]() };
}

/** Waits until the agent has been started so often. */
async function started(scene: Scene, times: number): Promise<void> {
  const until = performance.now() + 10_000;
  while (await Deno.readTextFile(`${scene.directory}/starts`) !== `${times}\n`) {
    assert(performance.now() < until, `not started ${times} times`);
    await pause(5);
  }
}

/** Waits until the API server was asked `times` more. */
async function polled(scene: Scene, times: number): Promise<void> {
  const seen = () => scene.world.kubernetes.faults.seen(/istio-system\/configmaps\/mesh-env/).length;
  const until = performance.now() + 10_000;
  for (const goal = seen() + times; seen() < goal; await pause(5)) assert(performance.now() < until, "no more polls");
}

const count = (krun: KrunProcess, pattern: RegExp) => krun.soFar("stderr").match(new RegExp(pattern, "g"))?.length ?? 0;

function defineTests(): void {
  Deno.test("mesh-env: a second root goes into its file; agent and app are left alone", () =>
    inWorld(async (scene) => {
      using _istiod = istiod(scene.world.meshAuthority, "127.0.0.1");
      await using life = await running(scene);
      const next = createAuthority("the next root").certificatePem;
      scene.world.meshEnv["CAROOT_NEXT"] = next;
      await life.krun.said(/new root certificates by mesh-env/);
      const roots = await life.read("var/run/secrets/istio/root-cert.pem");
      assert.ok(roots.includes(next.trim()) && roots.includes(scene.world.meshAuthority.certificatePem.trim()), roots);
      await polled(scene, 4);
      assert.equal(await life.read("starts"), "1\n");
      assert.deepEqual([await runs(life.app), await runs(life.agent)], [true, true]);
      assert.equal(count(life.krun, /new root certificates/), 1);
      const metrics = await (await fetch("http://127.0.0.1:15019/metrics")).text();
      const readAt = Number(/^krun_mesh_env_read_timestamp_seconds (\S+)$/m.exec(metrics)?.[1]);
      assert.ok(Math.abs(Date.now() / 1_000 - readAt) < 5, metrics);
      await life.end();
    }));

  Deno.test("mesh-env: another address takes another proxy, tunnels get 503 meanwhile, the app is left alone", () =>
    inWorld(async (scene) => {
      using _first = istiod(scene.world.meshAuthority, "127.0.0.1");
      using _second = istiod(scene.world.meshAuthority, "127.0.0.2");
      const tunnelPort = freePort();
      await using life = await running(scene, [`--tunnel-port=${tunnelPort}`]);
      scene.status = 503; // the next agent is not ready yet
      scene.world.meshEnv["IMCON_ADDR"] = "127.0.0.2";
      await life.krun.said(/the proxy is started again: its control plane is 127\.0\.0\.2:15012 now/);
      const client = Deno.createHttpClient({ http1: false, http2: true });
      const url = `http://127.0.0.1:${tunnelPort}/_hbone/15003`;
      const answer = await fetch(url, { method: "POST", body: "x", client });
      await answer.body?.cancel();
      client.close();
      assert.equal(answer.status, 503);
      assert.equal(
        await (await fetch("http://127.0.0.1:15019/healthz/ready")).text(),
        "not ready: the proxy is down\n",
      );
      scene.status = 200;
      await life.krun.said(/the proxy is back/);
      await started(scene, 2);
      assert.match(await life.read("config"), /"discoveryAddress":"127\.0\.0\.2:15012"/);
      assert.deepEqual([await runs(life.app), await runs(life.agent)], [true, false]);
      await life.end();
    }));

  Deno.test("mesh-env: an address where nobody answers, or with another root, costs nothing, and is taken once it is right", () =>
    inWorld(async (scene) => {
      using _first = istiod(scene.world.meshAuthority, "127.0.0.1");
      using _stranger = istiod(createAuthority("stranger"), "127.0.0.2");
      await using life = await running(scene);
      scene.world.meshEnv["IMCON_ADDR"] = "127.0.0.3";
      await life.krun.said(/stays as it is: reach control plane 127\.0\.0\.3:15012: .*refused/i);
      scene.world.meshEnv["IMCON_ADDR"] = "127.0.0.2";
      await life.krun.said(/stays as it is: reach control plane 127\.0\.0\.2:15012: .*UnknownIssuer/);
      await polled(scene, 4);
      assert.equal(await life.read("starts"), "1\n");
      assert.equal(count(life.krun, /stays as it is/), 2, life.krun.soFar("stderr"));
      using _third = istiod(scene.world.meshAuthority, "127.0.0.3");
      scene.world.meshEnv["IMCON_ADDR"] = "127.0.0.3";
      await life.krun.said(/the proxy is back/);
      await life.krun.said(/mesh-env is followed again/);
      assert.equal(await runs(life.app), true);
      await life.end();
    }));

  Deno.test("mesh-env: the namespace's own copy wins; what only a new start can take is said once", () =>
    inWorld(async (scene) => {
      using _first = istiod(scene.world.meshAuthority, "127.0.0.1");
      using _second = istiod(scene.world.meshAuthority, "127.0.0.2");
      await using life = await running(scene);
      scene.world.kubernetes.state.configMaps["demo"] = {
        "mesh-env": { IMCON_ADDR: "127.0.0.2", ISTIO_META_LATER: "x", TRUST_DOMAIN: "td.example" },
      };
      scene.world.meshEnv["IMCON_ADDR"] = "127.0.0.9";
      await life.krun.said(/other values that the next start will take: ISTIO_META_LATER/);
      await life.krun.said(/the proxy is back/);
      await started(scene, 2);
      assert.match(await life.read("config"), /"discoveryAddress":"127\.0\.0\.2:15012"/);
      assert.equal(await life.read("later"), "\n");
      const [, claims] = (await life.read("var/run/secrets/tokens/istio-token")).split(".");
      assert.deepEqual(JSON.parse(atob(claims!.replaceAll("-", "+").replaceAll("_", "/"))).aud, ["istio-ca"]);
      await polled(scene, 4);
      assert.equal(count(life.krun, /the next start will take/), 1);
      assert.equal(await life.read("starts"), "2\n");
      await life.end();
    }));

  Deno.test("mesh-env: an API server that is away, refuses, or has lost it costs one line", () =>
    inWorld(async (scene) => {
      await using life = await running(scene);
      const { faults, state } = scene.world.kubernetes;
      faults.add({ match: /mesh-env/, status: 401, body: "{}" });
      await life.krun.said(/mesh-env cannot be followed.*401/);
      await polled(scene, 4);
      faults.clear();
      await life.krun.said(/mesh-env is followed again/);
      const lost = state.configMaps["istio-system"]!;
      state.configMaps["istio-system"] = {};
      await life.krun.said(/mesh-env cannot be followed.*no config map mesh-env/);
      await polled(scene, 4);
      state.configMaps["istio-system"] = lost;
      await polled(scene, 2);
      assert.equal(count(life.krun, /cannot be followed/), 2, life.krun.soFar("stderr"));
      assert.equal(count(life.krun, /followed again/), 2);
      assert.equal(await life.read("starts"), "1\n");
      await life.end();
    }));
}

inNetworkNamespace("mesh-env that changes under a running app", import.meta.url, defineTests);
