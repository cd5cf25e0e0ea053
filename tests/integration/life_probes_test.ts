/**
 * Cloud Run's probes come to the container's port, 15009 (https://cloud.google.com/run/docs/configuring/healthchecks): TCP asks krun, HTTP/1.1
 * and gRPC ask the app.
 */
import assert from "node:assert/strict";
import { connect } from "node:http2";
import { inWorld, program, type Scene } from "./app_scene.ts";
import { freePort } from "../free_port.ts";
import { type KrunProcess, startKrun } from "./krun_process.ts";

/** An app that is what the file `state` says: nothing yet, or a status. */
const HTTP_APP = (directory: string) =>
  `const state = () => Number(Deno.readTextFileSync("${directory}/state"));
   say("begun");
   while (state() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
   Deno.serve = ((serve) => (options) => serve(options, (request) => new Response("I am " + request.method, { status: state() })))(Deno.serve);`;

/** https://github.com/grpc/grpc/blob/master/doc/health-checking.md: SERVING, or NOT_FOUND for a service it does not have. */
const GRPC_APP = `
  import { createServer } from "node:http2";
  createServer().on("stream", (stream, headers) => {
    const chunks = [];
    stream.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
      const asked = Buffer.concat(chunks).subarray(5);
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": asked.length === 0 ? "0" : "5" }));
      stream.end(asked.length === 0 ? Buffer.from([0, 0, 0, 0, 2, 8, 1]) : undefined);
    });
  }).listen(Number(Deno.env.get("PORT")), "127.0.0.1");`;

function startWith(scene: Scene, app: string[]): { krun: KrunProcess; port: number } {
  const port = freePort();
  const krun = startKrun(["--proxy=none", ...app], {
    environment: { ...scene.environment, KRUN_TUNNEL_PORT: String(port), KRUN_TUNNEL_WORKERS: "1" },
  });
  return { krun, port };
}

const accepts = (port: number) =>
  Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), true), () => false);

Deno.test("probes: TCP succeeds when requests would, and not before; HTTP/1.1 and h2c get the app's own word", () =>
  inWorld(async (scene) => {
    const state = (code: number) => Deno.writeTextFile(`${scene.directory}/state`, String(code));
    await state(0);
    const { krun, port } = startWith(scene, await program(scene.directory, HTTP_APP(scene.directory)));
    await using _krun = krun;
    await krun.said(/begun/, "stdout");
    assert.equal(await accepts(port), false, "before the app is ready");
    await state(200);
    await krun.said(/in the mesh/);
    assert.equal(await accepts(port), true);
    const url = `http://127.0.0.1:${port}/healthz`;
    using h2c = Deno.createHttpClient({ http1: false, http2: true });
    for (const code of [200, 503, 200]) {
      await state(code);
      for (const client of [undefined, h2c]) {
        const answer = await fetch(url, client ? { client } : {});
        assert.deepEqual([answer.status, await answer.text()], [code, "I am GET"]);
      }
    }
    krun.kill("SIGTERM");
    await krun.ended;
    assert.equal(await accepts(port), false);
  }));

Deno.test("probes: gRPC's health check reaches the app and brings its trailers back", () =>
  inWorld(async (scene) => {
    const path = `${scene.directory}/grpc.mjs`;
    await Deno.writeTextFile(path, GRPC_APP);
    const { krun, port } = startWith(scene, [Deno.execPath(), "run", "--quiet", "--no-lock", "-A", path]);
    await using _krun = krun;
    await krun.said(/in the mesh/);
    const session = connect(`http://127.0.0.1:${port}`);
    const check = (service: string) =>
      new Promise<{ status: unknown; message: number[] }>((resolve, reject) => {
        const stream = session.request({
          ":method": "POST",
          ":path": "/grpc.health.v1.Health/Check",
          "content-type": "application/grpc",
          te: "trailers",
        });
        const message: number[] = [];
        let status: unknown;
        stream.on("trailers", (trailers) => status = trailers["grpc-status"]);
        stream.on("data", (chunk: Uint8Array) => message.push(...chunk));
        stream.on("end", () => resolve({ status, message })).on("error", reject);
        const name = new TextEncoder().encode(service);
        const request = service === "" ? [] : [0x0a, name.length, ...name]; // field 1, a string
        stream.end(Uint8Array.of(0, 0, 0, 0, request.length, ...request));
      });
    assert.deepEqual(await check(""), { status: "0", message: [0, 0, 0, 0, 2, 8, 1] });
    assert.deepEqual(await check("other"), { status: "5", message: [] });
    session.destroy();
    krun.kill("SIGTERM");
    await krun.ended;
  }));

Deno.test("probes: opened with the network, TCP succeeds before the app is there, and a request waits for it", () =>
  inWorld(async (scene) => {
    const port = freePort();
    const url = `http://127.0.0.1:${port}/`;
    const environment = {
      ...scene.environment,
      KRUN_TUNNEL_PORT: String(port),
      KRUN_TUNNEL_OPENS: "network",
      KRUN_TUNNEL_WORKERS: "2",
    };
    await using krun = startKrun(["--proxy=none", "--"], { environment });
    await krun.said(/accepts, requests wait for the app/);
    assert.equal(await accepts(port), true, "before the app is there");
    using h2c = Deno.createHttpClient({ http1: false, http2: true });
    const asked = [fetch(url), fetch(url, { client: h2c })];
    const first = await Promise.race([...asked, new Promise((resolve) => setTimeout(resolve, 200, "none"))]);
    assert.equal(first, "none", "an answer before there is an app");
    await using _app = Deno.serve(
      { hostname: "127.0.0.1", port: scene.appPort, onListen() {} },
      () => new Response("here I am"),
    );
    for (const answer of await Promise.all(asked)) assert.equal(await answer.text(), "here I am");
    await krun.said(/in the mesh/);
    krun.kill("SIGTERM");
    assert.equal((await krun.ended).code, 0);
    assert.equal(await accepts(port), false);
  }));

Deno.test("probes: opened with the network, an app that never comes is an end with its reason", () =>
  inWorld(async (scene) => {
    const port = freePort();
    const environment = {
      ...scene.environment,
      KRUN_TUNNEL_PORT: String(port),
      KRUN_TUNNEL_OPENS: "network",
      KRUN_STARTUP_MS: "300",
    };
    await using krun = startKrun(["--proxy=none", "--"], { environment });
    await krun.said(/accepts, requests wait for the app/);
    const waiting = fetch(`http://127.0.0.1:${port}/`).then(() => "an answer", () => "none");
    const { code, stderr } = await krun.ended;
    assert.equal(code, 1);
    assert.match(stderr, /wait for the app on 127\.0\.0\.1:\d+\n {2}got: not ready after 300 ms/);
    assert.equal(await waiting, "none");
  }));
