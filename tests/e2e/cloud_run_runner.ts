/**
 * What is deployed to the emulated Cloud Run, as real containers: that which gets the requests by the runtime's words, the others in its
 * network. Containers have fixed ports, so one revision runs at a time: the next takes the place of the one before.
 */
import type { RunContainerResource } from "../emulators/cloud_run_types.ts";
import type { RevisionRunner } from "../emulators/cloud_run.ts";
import { startContainers, type StartedContainer } from "../emulators/cloud_run_containers.ts";
import { Container } from "./container.ts";
import { relay } from "./relay.ts";
import { type E2eWorld, FORTIO, GOLDEN } from "./world.ts";

export interface ContainerRunner extends RevisionRunner, AsyncDisposable {
  /** The container of the last revision that was started first. */
  first(): Container;
}

export function containerRunner(world: E2eWorld, runtime: string): ContainerRunner {
  const { settings } = world;
  const beside = settings.beside[runtime]!;
  let first: Container | undefined;
  let stopLast = () => Promise.resolve();

  const start = (container: RunContainerResource, env: Record<string, string>): StartedContainer => {
    const { image = "", command = [], args = [] } = container;
    if (first && beside[0] === "exec") {
      const ran = first.exec([...command, ...args], env, 3_600_000);
      return { ended: ran.then(({ code }) => code, () => -1), log: () => "", stop: () => Promise.resolve() };
    }
    const isKrun = command.length === 0;
    const name = `krun-e2e-${crypto.randomUUID().slice(0, 8)}`;
    const started = isKrun
      ? world.startKrun(runtime, {
        // Where nothing can be started beside it, its image has to have the app.
        image: image === GOLDEN && beside[0] === "exec" ? FORTIO : image,
        env,
        ...(args.length > 0 ? { command: args } : {}),
      })
      : Container.start(
        settings,
        runtime,
        { image, name, env, entrypoint: command[0]!, command: [...command.slice(1), ...args] },
        first ? beside.map((word) => word.replaceAll("{name}", first!.options.name)) : settings.runtimes[runtime]!,
      );
    first ??= started;
    return {
      ended: started.exitCode,
      log: () => started.log(),
      stop: async () => await started[Symbol.asyncDispose](),
    };
  };

  return {
    first: () => first!,
    async start(revision, service) {
      await stopLast();
      first = undefined;
      const running = await startContainers(revision, service, { start, hostname: settings.containerAddress });
      const outside = relay(Number(running.address.split(":").at(-1)), settings.containerAddress);
      let stopped: Promise<void> | undefined;
      const stop = () =>
        stopped ??= (async () => {
          await outside[Symbol.asyncDispose]();
          await running.stop();
        })();
      stopLast = stop;
      return { address: `127.0.0.1:${outside.port}`, stop };
    },
    [Symbol.asyncDispose]: () => stopLast(),
  };
}
