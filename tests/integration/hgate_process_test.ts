/** hgate as a process: the emulated cluster's registrations become routes, it tells of them, and ends in order. */
import assert from "node:assert/strict";
import { startMetadata } from "../emulators/metadata.ts";
import { inDirectory } from "../temporary_directory.ts";
import { ControllerWorld } from "./controller_world.ts";
import { startKrun } from "./krun_process.ts";

const NAME = "outbound_.8080_._.web.prod.svc.cluster.local";

Deno.test("hgate: registered services are routed, others refused; it is ready when it is, and ends in order", async () => {
  await inDirectory(async (directory) => {
    await using world = await ControllerWorld.start();
    await using metadata = await startMetadata();
    world.put("services", {
      name: "web",
      namespace: "prod",
      labels: { "mesh-cloudrun": "web" },
      annotations: { "cloud-run-mesh/url": "https://web-abc-uc.a.run.app" },
    }, { spec: { ports: [{ name: "http", port: 8080 }] } });
    await Deno.writeTextFile(`${directory}/kubeconfig`, world.server.kubeconfig({ token: "gate-token" }));
    const [port, istiodPort, httpPort] = freePorts(3);
    await using hgate = startKrun([], {
      command: "hgate",
      environment: {
        KUBECONFIG: `${directory}/kubeconfig`,
        GCE_METADATA_HOST: metadata.host,
        HGATE_ENGINE: "embedded",
        HGATE_TUNNEL_PORT: String(port),
        HGATE_ISTIOD_PORT: String(istiodPort),
        HGATE_HTTP_PORT: String(httpPort),
        HGATE_NOT_READY_MS: "300",
        HGATE_REGISTER: "false",
        POD_NAME: "hgate-1",
      },
    });
    await hgate.said(/the gate is open/);
    await hgate.said(/"message":"routes".*"tunnels":1/);
    const ask = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${httpPort}${path}`);
      return `${answer.status} ${(await answer.text()).trim()}`;
    };
    assert.equal(await ask("/readyz"), "200 ok");

    await using routes = startKrun(["routes"], {
      command: "hgate",
      environment: { HGATE_HTTP_PORT: String(httpPort) },
    });
    const { code, stdout } = await routes.ended;
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^tunnel +prod\/web +outbound_\.8080_\._\.web\.prod\S+ +https:\/\/web-abc-uc\.a\.run\.app\/_hbone\/15003 +0$/m,
    );
    assert.match(stdout, /^ready, engine embedded/m);

    // Nobody registered this name: closed before any certificate.
    const stranger = Deno.connectTls({ hostname: "127.0.0.1", port: port! }).then((conn) => conn.handshake());
    await assert.rejects(stranger);
    const named = await Deno.connect({ hostname: "127.0.0.1", port: port! });
    await assert.rejects(
      Deno.startTls(named, { hostname: NAME.replace("8080", "9090") }).then((conn) => conn.handshake()),
    );
    const metrics = await ask("/metrics");
    assert.match(metrics, /^hgate_routes\{kind="tunnel"\} 1$/m);
    assert.match(metrics, /^hgate_rejected_total\{reason="unknown"\} [1-9]/m);
    assert.match(metrics, /^hgate_token_fetches_total\{result="ok"\} 1$/m);

    hgate.kill("SIGTERM");
    await hgate.said(/the gate closes/);
    assert.match(await ask("/readyz"), /^503 not ready: hgate is ending/);
    assert.equal((await hgate.ended).code, 0);
  });
});

/** Ports that were free a moment ago. */
function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  return listeners.map((listener) => {
    listener.close();
    return listener.addr.port;
  });
}
