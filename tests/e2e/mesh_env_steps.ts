import assert from "node:assert/strict";
import { createAuthority } from "../emulators/certificates.ts";
import { NAMESPACE } from "./objects.ts";
import { eventually } from "./process.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/** mesh-env changes under an app that runs: a root that comes, and a control plane at another address. */
export async function meshEnvChanges(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  const patch = (data: Record<string, string | null>) =>
    world.cluster.kubectl(
      "-n",
      NAMESPACE,
      "patch",
      "configmap",
      "mesh-env",
      "--type=merge",
      "-p",
      JSON.stringify({ data }),
    );
  await using krun = world.startKrun(runtime, {
    env: { KRUN_MESH_ENV_POLL_MS: "1000" },
    command: ["/usr/local/bin/fortio", "server"],
  });
  await krun.said("in the mesh after", 60_000);
  const pidsOf = async (name: string) =>
    (await krun.exec([
      "sh",
      "-c",
      'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = "$0" ] && echo ${p#/proc/}; done',
      name,
    ]))
      .stdout;
  const [app, envoy] = [await pidsOf("fortio"), await pidsOf("envoy")];
  assert.match(app, /^\d+\n$/);
  try {
    await step("a second root is taken; app and Envoy are left alone", async () => {
      await patch({ CAROOT_NEXT: createAuthority("the next root").certificatePem });
      await krun.said("new root certificates by mesh-env");
      const { stdout } = await krun.exec(["grep", "-c", "BEGIN CERTIFICATE", "/var/run/secrets/istio/root-cert.pem"]);
      assert.equal(stdout.trim(), "2");
      await world.reached(krun, "/echo", /200 OK/);
      assert.deepEqual([await pidsOf("fortio"), await pidsOf("envoy")], [app, envoy]);
    });
    await step("an address where nobody answers costs nothing", async () => {
      await patch({ XDS_ADDR: "127.0.0.1:9" });
      await krun.said("mesh-env cannot be followed, all stays as it is: reach control plane 127.0.0.1:9");
      assert.equal(await pidsOf("envoy"), envoy);
    });
    await step("istiod at another address takes another proxy; the app is left alone", async () => {
      const pods = await world.cluster.get<{ items: { status: { podIP: string; phase: string } }[] }>(
        "-n",
        "istio-system",
        "pods",
        "-l",
        "app=istiod",
      );
      const { podIP } = pods.items.find(({ status }) => status.phase === "Running")!.status;
      await patch({ XDS_ADDR: `${podIP}:15012` });
      await krun.said(`the proxy is started again: its control plane is ${podIP}:15012 now`);
      await krun.said("the proxy is back");
      await world.reached(krun, "/echo", /200 OK/);
      assert.equal(await pidsOf("fortio"), app);
      await eventually("another Envoy", async () => {
        const now = await pidsOf("envoy");
        return /^\d+\n$/.test(now) && now !== envoy ? now : undefined;
      });
    });
  } finally {
    await patch({ CAROOT_NEXT: null, XDS_ADDR: null });
  }
}
