import assert from "node:assert/strict";
import { Container } from "./container.ts";
import { type E2eWorld, FORTIO, GOLDEN } from "./world.ts";

/** krun without a command, and the app as it is in another container of the same network. */
export async function sidecarContainer(world: E2eWorld, runtime: string): Promise<void> {
  const beside = world.settings.beside[runtime]!;
  await using krun = world.startKrun(runtime, { image: beside[0] === "exec" ? FORTIO : GOLDEN, command: ["--"] });
  await krun.said("proxy ready", 60_000);
  assert.doesNotMatch(krun.log(), /in the mesh after/, "it must wait for the app");
  const program = ["/usr/local/bin/fortio", "server", "-http-port", "127.0.0.1:8080"];
  await using app = new AsyncDisposableStack();
  if (beside[0] === "exec") {
    krun.exec(program).catch(() => {}); // ends with the container
  } else {
    app.use(Container.start(
      world.settings,
      runtime,
      { image: FORTIO, name: `${krun.options.name}-app`, entrypoint: program[0]!, command: program.slice(1) },
      beside.map((word) => word.replaceAll("{name}", krun.options.name)),
    ));
  }
  await krun.said("in the mesh after", 60_000);
  await world.reached(
    krun,
    "/debug",
    /X-Forwarded-Client-Cert:.*URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/echo/i,
  );
}
