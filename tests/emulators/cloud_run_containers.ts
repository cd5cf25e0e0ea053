/**
 * The containers of an instance, started in Cloud Run's order: after those they depend on have passed their startup probes. Whoever starts one
 * container is the test's.
 *
 * Wire facts: https://cloud.google.com/run/docs/container-contract (variables, SIGTERM and 10 s), …/configuring/healthchecks
 */
import type { RunningRevision } from "./cloud_run_instances.ts";
import {
  lastOf,
  type RunContainerResource,
  type RunProbeResource,
  type RunRevisionResource,
  type RunServiceResource,
} from "./cloud_run_types.ts";

/** One container that runs. */
export interface StartedContainer {
  /** Rejects never; the exit code. */
  ended: Promise<number>;
  /** What it has written, for errors. */
  log(): string;
  /** SIGTERM, SIGKILL after 10 s. */
  stop(): Promise<void>;
}

export interface ContainersOptions {
  /** @param env with the ports that the template names */
  start(container: RunContainerResource, env: Record<string, string>): StartedContainer;
  /** Where the containers' ports are reached. @default {"127.0.0.1"} */
  hostname?: string;
  /** A port as it is here, where several revisions share one loopback. @default the same */
  portOf?: (port: number) => number;
}

/** Starts all and returns when the probes have passed. @throws {Error} one of them ended, or its probe did not pass: then all are stopped */
export async function startContainers(
  revision: RunRevisionResource,
  service: RunServiceResource,
  { start, hostname = "127.0.0.1", portOf = (port) => port }: ContainersOptions,
): Promise<RunningRevision> {
  const { containers = [] } = revision;
  const ingress = containers.length === 1 ? containers[0]! : containers.find(({ ports }) => ports?.length)!;
  const port = ingress.ports?.[0]?.containerPort ?? 8080;
  const running: StartedContainer[] = [];
  const stop = async () => void await Promise.all(running.map((container) => container.stop()));
  const ready = new Map<string, Promise<void>>();
  const begin = async (container: RunContainerResource): Promise<void> => {
    await Promise.all((container.dependsOn ?? []).map((name) => readyOf(containers.find((one) => one.name === name)!)));
    const started = start(
      container,
      environmentOf(container, { revision, service, port: container === ingress ? port : undefined }),
    );
    running.push(started);
    const gone = started.ended.then((code) => {
      throw new Error(`${failureText(port)} (container ${container.name} ended with ${code})\n${started.log()}`);
    });
    gone.catch(() => {}); // it ends at some time, and then nobody waits
    if (container.startupProbe) {
      await Promise.race([
        gone,
        untilPassed(container.startupProbe, { hostname, port, portOf, text: () => started.log() }),
      ]);
    }
  };
  const readyOf = (container: RunContainerResource) => {
    const name = container.name ?? "";
    if (!ready.has(name)) ready.set(name, begin(container));
    return ready.get(name)!;
  };
  try {
    await Promise.all(containers.map(readyOf));
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: `${hostname}:${portOf(port)}`, stop };
}

function environmentOf(
  container: RunContainerResource,
  { revision, service, port }: { revision: RunRevisionResource; service: RunServiceResource; port: number | undefined },
): Record<string, string> {
  const own = (container.env ?? []).map((
    { name, value, valueSource },
  ) => [name, valueSource ? "a-secret" : value ?? ""]);
  return {
    ...Object.fromEntries(own),
    K_SERVICE: lastOf(service.name),
    K_CONFIGURATION: lastOf(service.name),
    K_REVISION: lastOf(revision.name),
    ...(port === undefined ? {} : { PORT: String(port) }),
  };
}

const failureText = (port: number) =>
  `The user-provided container failed to start and listen on the port defined provided by the PORT=${port} environment ` +
  "variable within the allocated timeout.";

/** How often a probe is made: what a second of Cloud Run's is here. */
const SECOND_MS = 100;

async function untilPassed(
  probe: RunProbeResource,
  { hostname, port, portOf, text }: {
    hostname: string;
    port: number;
    portOf: (port: number) => number;
    text: () => string;
  },
): Promise<void> {
  const { periodSeconds = 10, failureThreshold = 3, initialDelaySeconds = 0 } = probe;
  const until = performance.now() + (initialDelaySeconds + periodSeconds * failureThreshold) * 1_000;
  while (performance.now() < until) {
    if (await passes(probe, hostname, (own) => portOf(own ?? port))) return;
    await new Promise((resolve) => setTimeout(resolve, SECOND_MS));
  }
  throw new Error(`The user-provided container failed the configured startup probe checks.\n${text()}`);
}

async function passes(
  { httpGet, tcpSocket, grpc }: RunProbeResource,
  hostname: string,
  portOf: (port: number | undefined) => number,
): Promise<boolean> {
  try {
    if (httpGet) {
      const answer = await fetch(`http://${hostname}:${portOf(httpGet.port)}${httpGet.path ?? "/"}`);
      await answer.body?.cancel();
      return answer.status < 400;
    }
    (await Deno.connect({ hostname, port: portOf((tcpSocket ?? grpc)?.port) })).close();
    return true;
  } catch {
    return false;
  }
}
