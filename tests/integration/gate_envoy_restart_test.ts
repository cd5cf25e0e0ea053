/** hgate is killed beside an Envoy that lives: streams go on, new ones too, and the next hgate takes over without a cut. */
import assert from "node:assert/strict";
import { endProcess } from "../../lib/base/child.ts";
import { linesOf } from "../../lib/base/lines.ts";
import { gateEnvoyBootstrap, type GateRoutes } from "../../lib/gate/mod.ts";
import { krunTunnel } from "../../lib/tunnel/mod.ts";
import type { ProgramArguments } from "./gate_envoy_program.ts";
import { GateFrontEnd } from "./gate_front_end.ts";
import { clientHello } from "./gate_hello.ts";
import { readHello, WEB } from "./gate_stage.ts";
import { App, until, writeAll } from "./tunnel_peers.ts";

const envoy = Deno.env.get("ENVOY_BIN");
const PROGRAM = new URL("gate_envoy_program.ts", import.meta.url).pathname;

Deno.test({
  name: "gate envoy: hgate is killed and replaced beside a living Envoy, no stream ends and nothing is sent twice",
  ignore: !envoy,
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "gate-restart-" });
    const place = { adsPath: `${directory}/ads`, adminPath: `${directory}/admin` };
    await using app = new App();
    const routes = new Map([["15003", app.port]]);
    await using end = await krunTunnel.serve({ port: 0, hostname: "127.0.0.1", routes, appPort: 1 });
    await using frontEnd = new GateFrontEnd(end.port);
    const options = {
      ports: { tunnels: freePort(), istiod: freePort() },
      hostname: "127.0.0.1",
      frontEndRoots: frontEnd.authority.certificatePem,
    };
    await Deno.writeTextFile(`${directory}/bootstrap.json`, JSON.stringify(gateEnvoyBootstrap(place)));
    const envoyProcess = new Deno.Command(envoy!, {
      args: [
        "-c",
        `${directory}/bootstrap.json`,
        "--disable-hot-restart",
        "--log-level",
        "error",
        "--concurrency",
        "1",
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const programs: Hgate[] = [];
    const start = async (served: GateRoutes) => {
      const program = await Hgate.start({ place, options, routes: served });
      programs.push(program);
      return program;
    };
    const tunnel = async (serverName = WEB) => {
      const client = await Deno.connect({ hostname: "127.0.0.1", port: options.ports.tunnels });
      await writeAll(client, clientHello({ serverName, alpn: ["istio"] }));
      const server = await app.accept();
      await readHello(server, serverName);
      return { client, server };
    };
    const conns: Deno.Conn[] = [];
    try {
      const web = routeOf("prod/web", WEB, frontEnd.url);
      const first = await start({ tunnels: [web, routeOf("prod/old", "old", frontEnd.url)], istiod: [] });
      assert.deepEqual([first.sent, first.removed], [2, 0]);
      const before = await tunnel();
      conns.push(before.client, before.server);

      await first.kill();
      await alive(before);
      const alone = await tunnel();
      conns.push(alone.client, alone.server);
      await alive(alone);

      const second = await start({ tunnels: [web, routeOf("prod/new", "new", frontEnd.url)], istiod: [] });
      assert.deepEqual(
        [second.sent, second.removed],
        [1, 1],
        "the new one comes, the old one goes, the third is not told of",
      );
      await alive(before);
      await alive(alone);
      const after = await tunnel("new");
      conns.push(after.client, after.server);
      await alive(after);
      assert.equal(frontEnd.requests.at(-1)?.token, "token-of-https://prod/new");
      const gone = await Deno.connect({ hostname: "127.0.0.1", port: options.ports.tunnels });
      conns.push(gone);
      await writeAll(gone, clientHello({ serverName: "old" }));
      await assert.rejects(gone.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    } finally {
      for (const conn of conns) conn.close();
      for (const program of programs) await program.kill();
      await endProcess(envoyProcess, 2_000);
      await Deno.remove(directory, { recursive: true });
    }
  },
});

/** A program of ours that serves. */
class Hgate {
  private constructor(readonly child: Deno.ChildProcess, readonly sent: number, readonly removed: number) {}

  static async start(given: ProgramArguments): Promise<Hgate> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", PROGRAM, JSON.stringify(given)],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    for await (const line of linesOf(child.stdout)) {
      const [, sent, removed] = /^ready (\d+) (\d+)$/.exec(line) ?? [];
      if (sent) return new Hgate(child, Number(sent), Number(removed));
    }
    throw new Error("the program ended");
  }

  async kill(): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await this.child.status;
  }
}

function routeOf(service: string, serverName: string, url: string): GateRoutes["tunnels"][number] {
  const limits = { tunnels: 10_000, connectTimeoutMs: 5_000, idleTimeoutMs: 3_600_000 };
  return { service, serverNames: [serverName], url, audience: `https://${service}`, path: "/_hbone/15003", limits };
}

/** A byte comes through, both ways. */
async function alive({ client, server }: { client: Deno.Conn; server: Deno.Conn }): Promise<void> {
  for (const [from, to] of [[client, server], [server, client]] as const) {
    const buffer = new Uint8Array(1);
    await from.write(Uint8Array.of(7));
    let count: number | null = 0;
    void to.read(buffer).then((got) => count = got ?? -1, () => count = -1);
    await until(() => Promise.resolve(count !== 0), "a byte");
    assert.equal(count, 1);
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
