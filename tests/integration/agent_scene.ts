/**
 * krun with a pilot-agent of the test's own: a shell script, while the test answers for it on 15021. That port is fixed, so all
 * this happens in a network namespace, in a process that a test file starts with itself.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { isRunning } from "../../lib/base/process_tree.ts";
import { startWorld, type World } from "../emulators/world.ts";
import { freePort } from "../free_port.ts";
import { canUnshare, type KrunProcess, startKrun, withDirectory } from "./krun_process.ts";

const INSIDE = "TEST_RUNS_IN_NETWORK_NAMESPACE";

export interface Scene {
  world: World;
  directory: string;
  environment: Record<string, string>;
  /** What 15021 answers. */
  status: number;
  appPort: number;
}

/** The agent's script and the app's; both may use $DIR. */
export async function start(
  scene: Scene,
  agent: string,
  app: string,
  flags: readonly string[] = ["--tunnel=none"],
): Promise<KrunProcess> {
  const { directory, environment } = scene;
  const script = (name: string, text: string) =>
    Deno.writeTextFile(`${directory}/${name}`, `#!/bin/sh\nDIR=${directory}\n${text}\n`, { mode: 0o755 });
  await script("pilot-agent", agent);
  await script("app", app);
  return startKrun([...flags, `${directory}/app`], { environment });
}

export async function inWorld(test: (scene: Scene) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    await using world = await startWorld();
    await Deno.chmod(directory, 0o777); // the agent runs as a user of its own
    const appPort = freePort();
    const environment = {
      ...world.environment,
      KRUN_LOG_FORMAT: "text",
      MESH_BASE_DIR: directory,
      KRUN_PILOT_AGENT: `${directory}/pilot-agent`,
      KRUN_ENVOY: "/bin/true",
      KRUN_CAPTURE: "none",
      "startupProbe.http": "http://127.0.0.1:15021/app",
      APP_SECRET_KEY: "of-the-app-alone",
    };
    const scene = { world, directory, environment, status: 200, appPort };
    await using _ready = Deno.serve(
      { hostname: "127.0.0.1", port: 15_021, onListen() {} },
      (request) => new Response(null, { status: request.url.endsWith("/app") ? 200 : scene.status }),
    );
    await test(scene);
  });
}

export const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);

export async function pidIn(path: string): Promise<number> {
  const until = performance.now() + 15_000;
  while (!(await Deno.readTextFile(path).catch(() => "")).endsWith("\n")) {
    assert(performance.now() < until, `nobody wrote ${path}`);
    await pause(5);
  }
  return Number(await Deno.readTextFile(path));
}

export { isRunning as runs };

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
export const WAIT = "while true; do sleep 0.02; done";
/** An agent that ends when told to. */
export const GOOD = `trap 'exit 0' TERM\necho begun\n${WAIT}`;
/** One with an Envoy that does not end when told to. */
export const STUBBORN_ENVOY =
  `sh -c 'trap "" TERM; echo $$ > $0/envoy; ${WAIT}' $DIR &\nwhile [ ! -s $DIR/envoy ]; do sleep 0.01; done`;

/** Defines `tests` in a network namespace, which only root may make; `url` is the test file's own. */
export function inNetworkNamespace(name: string, url: string, tests: () => void): void {
  if (Deno.env.has(INSIDE)) return tests();
  Deno.test({
    name: `${name} (in a network namespace, which only root may make)`,
    ignore: !canUnshare("--net"),
    async fn() {
      const test = [Deno.execPath(), "test", "-A", "--no-check", "--quiet", fileURLToPath(url)];
      const limit = new AbortController(); // one that hangs shows how far it came
      const timer = setTimeout(() => limit.abort(), 90_000);
      const { success, stdout, stderr } = await new Deno.Command("unshare", {
        args: ["--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", ...test],
        env: { [INSIDE]: "1" },
        stdout: "piped",
        stderr: "piped",
        signal: limit.signal,
      }).output().finally(() => clearTimeout(timer));
      const text = new TextDecoder();
      assert(success, `${text.decode(stdout)}\n${text.decode(stderr)}`);
      assert.match(text.decode(stdout), /[1-9]\d* passed/);
    },
  });
}
