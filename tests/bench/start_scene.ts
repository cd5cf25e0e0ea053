/** One start of a launcher in the emulated world, with the times of what came of it. */
import { fileURLToPath } from "node:url";
import { RESOURCES } from "../../lib/proxy/whitebox/names.ts";
import { kubeconfigOf } from "../emulators/kubeconfig.ts";
import type { World } from "../emulators/world.ts";

export interface Scene {
  world: World;
  /** Anybody may write here. */
  directory: string;
}

/** How the workload finds its cluster. */
export type Way = "Cloud Run" | "kubeconfig";

export interface Launcher {
  name: string;
  /** Words before the app's own. */
  command: readonly [string, ...string[]];
}

/** Times from the moment the launcher's process was started. */
export interface Start {
  appMs: number;
  answerMs: number;
  /** What passed before the launcher's own account begins: the runtime and its modules. */
  loadMs: number;
  /** The launcher's own account; empty where it gives none. */
  phasesMs: Readonly<Record<string, number>>;
  residentMb: number;
}

const APP_PORT = 8_080;
const MAIN = fileURLToPath(new URL("../../cmd/main.ts", import.meta.url));
/** What has to be over before the app runs. */
const BEFORE_APP = ["clusterMs", "identityMs", "proxyMs", "captureMs"];

/** krun, and the launcher that `ORIGINAL_KRUN` names. */
export function launchers(): Launcher[] {
  const executable = Deno.env.get("KRUN");
  const original = Deno.env.get("ORIGINAL_KRUN");
  return [
    executable
      ? { name: "krun", command: [executable, "krun"] }
      : { name: "krun from source", command: [Deno.execPath(), "run", "--quiet", "-A", MAIN, "krun"] },
    ...(original ? [{ name: "original", command: [original] as const }] : []),
  ];
}

/** Starts the launcher, waits for the first answer on 15009, ends it. */
export async function startOnce(scene: Scene, launcher: Launcher, way: Way, delayMs: number): Promise<Start> {
  const { world, directory } = scene;
  for (const { faults } of [world.metadata, world.gke, world.resourceManager, world.kubernetes]) {
    faults.clear();
    if (delayMs > 0) faults.add({ match: /./, delayMs });
  }
  const script = (name: string, text: string) =>
    Deno.writeTextFile(`${directory}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  await script("pilot-agent", `trap 'exit 0' TERM\necho > ${directory}/runs\nwhile true; do sleep 0.02; done`);
  await script("app", "echo started\nexec sleep 600");
  let isReady = false;
  await using _agent = Deno.serve(
    { hostname: "127.0.0.1", port: 15_021, onListen() {} },
    () => new Response(null, { status: isReady ? 200 : 503 }),
  );
  await Deno.remove(`${directory}/runs`).catch(() => {});
  const stopped = new AbortController();
  const envoy = serveAdmin(directory, stopped.signal, () => isReady = true);

  const [program, ...args] = launcher.command;
  const startedAt = performance.now();
  const child = new Deno.Command(program, {
    args: [...args, "--", `${directory}/app`],
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      DENO_NO_UPDATE_CHECK: "1",
      HOME: "/nonexistent",
      K_SERVICE: "bench",
      MESH_BASE_DIR: directory,
      KRUN_PILOT_AGENT: `${directory}/pilot-agent`,
      KRUN_ENVOY: "/bin/true",
      KRUN_LOG_FORMAT: "json",
      ...await environmentOf(scene, way),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let log = "";
  const logged = read(child.stderr, (text) => log += text);
  try {
    const first = Promise.withResolvers<number>();
    const output = read(child.stdout, () => first.resolve(performance.now() - startedAt));
    const failed = child.status.then(({ code }) => {
      throw new Error(`${launcher.name} ended with ${code}:\n${log}`);
    });
    failed.catch(() => {}); // it ends in the end
    const appMs = await Promise.race([first.promise, failed]);
    await using _app = Deno.serve(
      { hostname: "127.0.0.1", port: APP_PORT, onListen() {} },
      () => new Response("hello"),
    );
    await Promise.race([firstAnswer(), failed]);
    const answerMs = performance.now() - startedAt;
    const phasesMs = await Promise.race([account(() => log), failed]);
    const residentMb = await residentOf(child.pid);
    child.kill("SIGTERM");
    await Promise.all([child.status, output]);
    const own = BEFORE_APP.reduce((sum, name) => sum + (phasesMs[name] ?? 0), 0);
    return { appMs, answerMs, loadMs: appMs - own, phasesMs, residentMb };
  } finally {
    await child.status.catch(() => {});
    stopped.abort();
    await Promise.all([logged, envoy]);
  }
}

/** Envoy's admin port from the moment that pilot-agent runs: krun wants it free before. */
async function serveAdmin(directory: string, stopped: AbortSignal, ready: () => void): Promise<void> {
  while (!stopped.aborted && !await Deno.stat(`${directory}/runs`).catch(() => undefined)) await pause(2);
  if (stopped.aborted) return;
  const whitebox = `${directory}/etc/istio/proxy/whitebox`;
  await Deno.serve(
    { hostname: "127.0.0.1", port: 15_000, signal: stopped, onListen: ready },
    (request) => envoyAdmin(whitebox, new URL(request.url)),
  ).finished;
}

/** An Envoy that works with every file of whitebox mode as soon as it is there, in a mesh without services. */
async function envoyAdmin(whitebox: string, url: URL): Promise<Response> {
  if (url.pathname !== "/config_dump") return new Response("");
  const versions: string[] = [];
  let scopes = "";
  for await (const { name } of Deno.readDir(whitebox)) {
    const version = JSON.parse(await Deno.readTextFile(`${whitebox}/${name}`)).version_info;
    if (name === "scopes.json") scopes = version;
    else versions.push(version);
  }
  const filters = { ecds_filters: versions.map((version_info) => ({ version_info })) };
  const isScopes = url.search.includes("scoped_route");
  return Response.json({ configs: isScopes ? [{ name: RESOURCES.scopes, version_info: scopes }] : [filters] });
}

async function environmentOf({ world, directory }: Scene, way: Way): Promise<Record<string, string>> {
  if (way === "Cloud Run") return world.environment;
  const path = `${directory}/kubeconfig.json`;
  await Deno.writeTextFile(path, kubeconfigOf(world, "demo"));
  return { KUBECONFIG: path, GCE_METADATA_HOST: "127.0.0.1:9" }; // nobody: a connection is refused at once
}

async function firstAnswer(): Promise<void> {
  for (;;) {
    const answer = await fetch("http://127.0.0.1:15009/").catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return;
    await pause(2);
  }
}

/** The fields of the line that says that the start is over; none where no such line comes. */
async function account(log: () => string): Promise<Record<string, number>> {
  for (const until = performance.now() + 1_000; performance.now() < until; await pause(5)) {
    const line = log().split("\n").find((line) => line.includes("in the mesh after "));
    if (!line) continue;
    return Object.fromEntries(
      Object.entries(JSON.parse(line)).filter((entry): entry is [string, number] => /^[a-z]+Ms$/.test(entry[0])),
    );
  }
  return {};
}

async function residentOf(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1_024;
}

async function read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
