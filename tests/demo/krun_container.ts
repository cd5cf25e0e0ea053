import { freePort } from "../free_port.ts";
import { fileURLToPath } from "node:url";
import { linesOf } from "../../lib/base/lines.ts";
import type { World } from "../emulators/world.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The ports of a container, which in the demo share one machine with everything else. */
export interface ContainerPorts {
  tunnel: number;
  app: number;
  proxy: number;
}

/** krun and its app, as they run in a container. */
export interface KrunContainer {
  child: Deno.ChildProcess;
  /** What krun has logged so far. */
  lines: readonly string[];
  /** Resolves with the first line that has `text` in it. @throws when krun ends first */
  said(text: string): Promise<string>;
  /** Rejects when krun has ended. */
  ended: Promise<never>;
}

/** Starts krun with Cloud Run's own variables, the way to the emulators, and ports and directory of its own. */
export function startKrun(world: World, service: string, directory: string, ports: ContainerPorts): KrunContainer {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--quiet", `${ROOT}cmd/main.ts`, "krun"],
      "--proxy=plain", // no Envoy on this machine: a forward proxy stands in for it
      ...["--", Deno.execPath(), "run", "-A", "--no-check", "--quiet", `${ROOT}tests/demo/app.ts`],
    ],
    cwd: directory,
    clearEnv: true,
    env: {
      ...world.environment,
      PATH: Deno.env.get("PATH") ?? "",
      HOME: directory,
      ...denoDirectory(),
      K_SERVICE: service,
      K_REVISION: `${service}-00001-abc`,
      PORT: String(ports.tunnel),
      PORT_http: String(ports.app),
      KRUN_PROXY_PORT: String(ports.proxy),
      KRUN_TUNNEL_WORKERS: "1",
      KRUN_HEALTH_PORT: "0",
      KRUN_LOG_FORMAT: "text",
      MESH_BASE_DIR: directory,
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: "inherit",
    stderr: "piped",
  }).spawn();
  const lines: string[] = [];
  const waiting: { text: string; found: (line: string) => void }[] = [];
  const read = async (): Promise<never> => {
    for await (const line of linesOf(child.stderr)) {
      lines.push(line);
      for (const { text, found } of waiting) if (line.includes(text)) found(line);
    }
    const { code } = await child.status;
    throw new Error(`krun ended with ${code}:\n${lines.join("\n")}`);
  };
  const ended = read();
  ended.catch(() => {}); // only of interest to who waits
  const said = (text: string) => Promise.race([ended, new Promise<string>((found) => waiting.push({ text, found }))]);
  return { child, lines, said, ended };
}

/** Where Deno keeps its cache, so that the child finds what is there already. */
function denoDirectory(): Record<string, string> {
  const home = Deno.env.get("HOME");
  const directory = Deno.env.get("DENO_DIR") ?? Deno.env.get("XDG_CACHE_HOME")?.concat("/deno") ??
    (home ? `${home}/${Deno.build.os === "darwin" ? "Library/Caches" : ".cache"}/deno` : undefined);
  return directory ? { DENO_DIR: directory } : {};
}

/** Ports that are free now, and differ. */
export function freePorts(): ContainerPorts {
  const ports = new Set<number>();
  while (ports.size < 3) ports.add(freePort());
  const [tunnel, app, proxy] = [...ports] as [number, number, number];
  return { tunnel, app, proxy };
}
