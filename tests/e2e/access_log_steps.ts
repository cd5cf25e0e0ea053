import { NAMESPACE } from "./objects.ts";
import { eventually } from "./process.ts";
import type { E2eWorld } from "./world.ts";

/** A mesh that has Envoy write its access log to /dev/stdout, as many do: krun's Envoy writes it to krun's log. */
export async function accessLog(world: E2eWorld, runtime: string): Promise<void> {
  const { cluster } = world;
  const telemetry = {
    apiVersion: "telemetry.istio.io/v1",
    kind: "Telemetry",
    metadata: { name: "access-log", namespace: NAMESPACE },
    spec: { accessLogging: [{ providers: [{ name: "envoy" }] }] },
  };
  await cluster.apply(telemetry);
  try {
    await using krun = world.startKrun(runtime, { command: ["/usr/local/bin/fortio", "server"] });
    await krun.said("in the mesh after", 60_000);
    await world.reached(krun, "/echo?logged", /200 OK/);
    await eventually("a line of the access log", () => {
      return Promise.resolve(/"GET \/echo\?logged HTTP\/1\.1" 200 /.test(krun.log()) || undefined);
    });
  } finally {
    await cluster.remove(telemetry);
  }
}
