/** krun in an emulated world, in front of an app of the test's own. */
import { startWorld, type World } from "../emulators/world.ts";
import { freePort } from "../free_port.ts";
import { withDirectory } from "./krun_process.ts";

export interface Scene {
  world: World;
  directory: string;
  appPort: number;
  environment: Record<string, string>;
}

export async function inWorld(test: (scene: Scene) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    await using world = await startWorld();
    const appPort = freePort();
    const environment = {
      ...world.environment,
      KRUN_LOG_FORMAT: "text",
      MESH_BASE_DIR: directory,
      PORT_http: String(appPort),
      KRUN_PROXY_PORT: String(freePort()),
    };
    await test({ world, directory, appPort, environment });
  });
}

/** A program for Deno that listens on PORT and does `more`. */
export async function program(directory: string, more: string): Promise<string[]> {
  const path = `${directory}/app.js`;
  const text = `const say = (text) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\\n"));
    ${more}
    Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} }, () => new Response("hello"));`;
  await Deno.writeTextFile(path, text);
  return [Deno.execPath(), "run", "--quiet", "--no-lock", "-A", path];
}

/** Neither proxy nor tunnel. */
export const QUIET = ["--proxy=none", "--tunnel=none"];
