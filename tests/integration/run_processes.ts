/**
 * A runner of the emulated Cloud Run that starts processes: krun from source for the golden image, krun with a small app for an image that
 * is built on it, the app alone for every other. Revisions share
 * this machine's loopback, so each gets ports of its own in the place of those that its template names.
 */
import type { RunContainerResource, RunRevisionResource, RunServiceResource } from "../emulators/cloud_run_types.ts";
import type { RevisionRunner } from "../emulators/cloud_run.ts";
import { startContainers, type StartedContainer } from "../emulators/cloud_run_containers.ts";
import { startKrun } from "./krun_process.ts";
import { GOLDEN } from "./run_scene.ts";

/** An image of the app with krun in it. */
export const BUILT_ON_GOLDEN = "us-docker.pkg.dev/p/r/web-mesh:1";

/** One container that was started. */
export interface Started {
  revision: string;
  container: string;
  env: Record<string, string>;
}

export interface ProcessRunner extends RevisionRunner {
  /** Of krun, besides what its container is told; may be changed. */
  environment: Record<string, string>;
  /** In their order. */
  started: Started[];
}

/** @param krunEnvironment leads krun to its world  @param app a program for Deno that listens on PORT */
export function processRunner(krunEnvironment: Readonly<Record<string, string>>, app: string): ProcessRunner {
  const started: Started[] = [];
  const environment = { ...krunEnvironment };
  return {
    environment,
    started,
    start(revision: RunRevisionResource, service: RunServiceResource) {
      const ports = new Map<number, number>();
      const portOf = (port: number) => {
        if (!ports.has(port)) ports.set(port, quietPort());
        return ports.get(port)!;
      };
      return startContainers(revision, service, {
        portOf,
        start(container, declared) {
          const env = moved(declared, portOf);
          started.push({ revision: revision.name.split("/").at(-1)!, container: container.name ?? "", env: declared });
          const withKrun = { ...environment, ...env };
          if (container.image === GOLDEN) return krunOf(argumentsOf(container, portOf), withKrun);
          return container.image === BUILT_ON_GOLDEN ? krunOf(["--", ...appCommand(app)], withKrun) : appOf(app, env);
        },
      });
    },
  };
}

/** A free port that no connection of a client's is given meanwhile: below those that Linux gives (ip_local_port_range). */
function quietPort(): number {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      Deno.listen({ hostname: "0.0.0.0", port }).close();
      return port;
    } catch { /* taken */ }
  }
}

/** Ports in variables are those of here. */
function moved(env: Record<string, string>, portOf: (port: number) => number): Record<string, string> {
  const isPort = (name: string) => name === "PORT" || name.startsWith("PORT_");
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, isPort(name) ? String(portOf(Number(value))) : value]),
  );
}

function argumentsOf({ args = [] }: RunContainerResource, portOf: (port: number) => number): string[] {
  return args.map((word) => word.replace(/(127\.0\.0\.1:)(\d+)/, (_, host, port) => `${host}${portOf(Number(port))}`));
}

function krunOf(args: readonly string[], environment: Record<string, string>): StartedContainer {
  const krun = startKrun(["--proxy=none", ...args], {
    environment: { KRUN_LOG_FORMAT: "text", KRUN_HEALTH_PORT: "0", ...environment },
  });
  return {
    ended: krun.ended.then(({ code }) => code),
    log: () => krun.soFar("stderr"),
    stop: async () => await krun[Symbol.asyncDispose](),
  };
}

function appCommand(program: string): [string, ...string[]] {
  return [Deno.execPath(), "run", "--quiet", "--no-lock", "--no-config", "-A", program];
}

function appOf(program: string, env: Record<string, string>): StartedContainer {
  const [deno, ...args] = appCommand(program);
  const child = new Deno.Command(deno, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  let isOver = false;
  const ended = child.status.then(({ code }) => (isOver = true, code));
  return {
    ended,
    log: () => "",
    async stop() {
      if (!isOver) child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
