/** krun is killed: what it started lives on, and the next start has to get past it. */
import assert from "node:assert/strict";
import { startWorld } from "../emulators/world.ts";
import { inDirectory } from "../temporary_directory.ts";
import { freePort } from "../free_port.ts";
import { startKrun } from "./krun_process.ts";

Deno.test({
  name: "killed: the app that was left behind is ended by the next start, which works",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inDirectory(async (directory) => {
      await using world = await startWorld();
      const environment = {
        ...world.environment,
        KRUN_LOG_FORMAT: "text",
        MESH_BASE_DIR: directory,
        PORT_http: String(freePort()),
        KRUN_PROXY_PORT: String(freePort()),
      };
      await Deno.writeTextFile(
        `${directory}/app.js`,
        `console.log(Deno.pid);
         Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} }, () => new Response(""));`,
      );
      const args = ["--proxy=plain", "--tunnel=none", Deno.execPath(), "run", "-A", `${directory}/app.js`];
      const killed = startKrun(args, { environment });
      await killed.said(/in the mesh/);
      killed.kill("SIGKILL");
      const left = Number(killed.soFar("stdout"));
      assert.ok(await Deno.stat(`/proc/${left}`), "the app lives on");

      await using next = startKrun(args, { environment });
      await next.said(new RegExp(`ended processes of a krun that was killed: ${left}\\b`));
      await next.said(/in the mesh/);
      await killed.ended; // its pipes are the app's too
      next.kill("SIGTERM");
      await next.ended;
      assert.deepEqual([...Deno.readDirSync(`${directory}/var/run/krun`)], [], "an orderly end leaves no note");
    }),
});
