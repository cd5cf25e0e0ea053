/**
 * A runner of the emulated Cloud Run that starts processes: krun from source for the golden image, a small app for every other. Revisions share
 * this machine's loopback, so each gets ports of its own in the place of those that its template names.
 */
import type { RunContainerResource, RunRevisionResource, RunServiceResource } from "../emulators/cloud_run_types.ts";
import type { RevisionRunner } from "../emulators/cloud_run.ts";
import { startContainers, type StartedContainer } from "../emulators/cloud_run_containers.ts";
import { startKrun } from "./krun_process.ts";
import { GOLDEN } from "./run_scene.ts";

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
          return container.image === GOLDEN ? krunOf(container, { ...environment, ...env }) : appOf(app, env);
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

function krunOf({ args = [] }: RunContainerResource, environment: Record<string, string>): StartedContainer {
  const krun = startKrun(["--proxy=none", ...args], {
    environment: { KRUN_LOG_FORMAT: "text", KRUN_HEALTH_PORT: "0", ...environment },
  });
  return {
    ended: krun.ended.then(({ code }) => code),
    log: () => krun.soFar("stderr"),
    stop: async () => await krun[Symbol.asyncDispose](),
  };
}

function appOf(program: string, env: Record<string, string>): StartedContainer {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-lock", "--no-config", "-A", program],
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
