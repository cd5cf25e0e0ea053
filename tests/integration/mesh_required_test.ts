/** `MESH_REQUIRED=false`: an app that would rather run alone than not at all. */
import assert from "node:assert/strict";
import { startWorld, type World } from "../emulators/world.ts";
import { freePort } from "../free_port.ts";
import { runKrun, startKrun, withDirectory } from "./krun_process.ts";

const APP = 'Deno.serve({ port: Number(Deno.env.get("PORT")), onListen() {} }, () => new Response("alone"))';

const FAILURES: [stage: string, breakIt: (world: World) => void, environment: Record<string, string>, said: RegExp][] =
  [
    [
      "the cluster",
      (world) => world.gke.faults.add({ match: /clusters/, status: 403 }),
      {},
      /WITHOUT the mesh.*list the GKE clusters/s,
    ],
    [
      "the control plane",
      (world) => {
        delete world.meshEnv["IMCON_ADDR"];
        delete world.meshEnv["MCON_ADDR"];
      },
      {},
      /WITHOUT the mesh.*control plane/s,
    ],
    ["the proxy", () => {}, { KRUN_PILOT_AGENT: "/nowhere/pilot-agent" }, /WITHOUT the mesh.*pilot-agent/s],
  ];

for (const [stage, breakIt, more, said] of FAILURES) {
  Deno.test(`MESH_REQUIRED=false: without ${stage} the app runs, and a mesh tunnel does not reach it in the clear`, () =>
    withDirectory(async (directory) => {
      await using world = await startWorld();
      breakIt(world);
      const [tunnelPort, appPort] = [freePort(), freePort()];
      const environment = {
        ...world.environment,
        ...more,
        KRUN_LOG_FORMAT: "text",
        KRUN_TUNNEL_WORKERS: "1",
        MESH_BASE_DIR: directory,
        PORT_http: String(appPort),
        KRUN_TUNNEL_PORT: String(tunnelPort),
      };
      const app = ["--", Deno.execPath(), "eval", APP];
      assert.equal((await runKrun(app, { environment })).code, 1, "by default the mesh is required");
      await using krun = startKrun(app, { environment: { ...environment, MESH_REQUIRED: "false" } });
      await krun.said(/krun: alone after \d+ ms/);
      assert.match(krun.soFar("stderr"), said);
      const origin = `http://127.0.0.1:${tunnelPort}`;
      assert.equal(await (await fetch(`${origin}/`)).text(), "alone");
      const client = Deno.createHttpClient({ http1: false, http2: true });
      const tunnel = await fetch(`${origin}/_hbone/15003`, { method: "POST", body: "GET / HTTP/1.1\r\n\r\n", client });
      await tunnel.body?.cancel();
      client.close();
      assert.equal(tunnel.status, 503);
    }));
}
