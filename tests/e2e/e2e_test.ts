import assert from "node:assert/strict";
import { say } from "./say.ts";
import { e2eSettings } from "./settings.ts";
import type { Step } from "./step.ts";
import { startE2eWorld } from "./world.ts";
import { credentialRights } from "./rights_steps.ts";
import { deployedAndAdded } from "./add_service_steps.ts";
import { capture } from "./capture_steps.ts";
import { doctorLooks } from "./doctor_steps.ts";
import { accessLog } from "./access_log_steps.ts";
import { asOnCloudRun } from "./cloud_run_steps.ts";
import { gateFaults } from "./gate_fault_steps.ts";
import { gateProtocols } from "./gate_steps.ts";
import { inbound } from "./inbound_steps.ts";
import { ipv6 } from "./ipv6_steps.ts";
import { sameAnswersAsEmulated } from "./kube_steps.ts";
import { job } from "./jobs_steps.ts";
import { life } from "./life_steps.ts";
import { matrix } from "./matrix_steps.ts";
import { meshEnvChanges } from "./mesh_env_steps.ts";
import { outbound } from "./outbound_steps.ts";
import { faults } from "./fault_steps.ts";
import { leftovers } from "./leftover_steps.ts";
import { sigterm } from "./sigterm_steps.ts";
import { restarts } from "./restart_steps.ts";
import { rootRotation } from "./root_rotation_steps.ts";
import { sidecarContainer } from "./sidecar_container_steps.ts";
import { tunnels } from "./tunnel_steps.ts";

const settings = await e2eSettings(Deno.env.toObject());

/** Steps that say how long they took. */
function timed(t: Deno.TestContext): Step {
  return (name, run) =>
    t.step(name, async () => {
      const started = performance.now();
      await run();
      say(`${name}: ${Math.round(performance.now() - started)} ms`);
    });
}

Deno.test({
  name: "krun in real containers against a real cluster",
  sanitizeOps: false,
  sanitizeResources: false, // children of the engine outlive the steps that started them
  async fn(t) {
    await using world = await startE2eWorld(settings, say);
    const only = new RegExp(Deno.env.get("E2E_ONLY") ?? "");
    const step = async (name: string, run: (t: Deno.TestContext) => Promise<void>) => {
      if (only.test(name)) await t.step(name, run);
    };
    await step("credentials of the run have no more rights than the original's Role", () => credentialRights(world));
    await step("the API server answers krun as the emulated one does", () => sameAnswersAsEmulated(world));
    const [first] = Object.keys(settings.runtimes);
    for (const runtime of Object.keys(settings.runtimes)) {
      await step(`${runtime}: fortio as the app reaches the mesh and is reached from it`, async (t) => {
        await using krun = world.startKrun(runtime, {
          env: { KRUN_CAPTURE: "whitebox", MESH_FORWARD: "7078=echo:8078,7080=echo:8080" },
          command: ["/usr/local/bin/fortio", "server"],
        });
        await krun.said("in the mesh after", 60_000);
        await outbound(world, krun, timed(t));
        await inbound(world, krun, timed(t));
        assert.equal(krun.ended, false);
        await life(world, krun, timed(t));
      });
      await step(`${runtime}: the containers people run`, (t) => matrix(world, runtime, timed(t)));
      await step(`${runtime}: an app that knows no proxy`, (t) => capture(world, runtime, timed(t)));
      await step(`${runtime}: IPv4 and IPv6`, (t) => ipv6(world, runtime, timed(t)));
      await step(
        `${runtime}: mesh-env changes under an app that runs`,
        (t) => meshEnvChanges(world, runtime, timed(t)),
      );
      await step(`${runtime}: the mesh wants an access log`, () => accessLog(world, runtime));
      await step(`${runtime}: a task of a job`, () => job(world, runtime));
      await step(
        `${runtime}: as on Cloud Run, past a cluster that does not answer`,
        () => asOnCloudRun(world, runtime),
      );
      await step(`${runtime}: protocols through the gate`, (t) => gateProtocols(world, runtime, timed(t)));
      await step(`${runtime}: no byte is lost in a tunnel`, (t) => tunnels(world, runtime, timed(t)));
      await step(`${runtime}: what krun needs is away or ends, under load`, (t) => restarts(world, runtime, timed(t)));
      await step(`${runtime}: SIGTERM under load`, (t) => sigterm(world, runtime, timed(t)));
      await step(`${runtime}: faults of the app and of the disk`, (t) => faults(world, runtime, timed(t)));
      await step(`${runtime}: nothing is left behind`, (t) => leftovers(world, runtime, timed(t)));
      if (runtime === first) {
        // The gate is the same for all.
        await step(`${runtime}: faults of the gate`, (t) => gateFaults(world, runtime, timed(t)));
        await step(`${runtime}: doctor`, (t) => doctorLooks(world, runtime, timed(t)));
      }
      if (settings.beside[runtime]?.length) {
        await step(`${runtime}: an app in a container of its own`, () => sidecarContainer(world, runtime));
        await step(
          `${runtime}: a Cloud Run service is deployed, and one is put into the mesh as it is`,
          (t) => deployedAndAdded(world, runtime, timed(t)),
        );
      }
    }
    // Last, since all that lives by the mesh's root is in its way.
    await step(`${first}: rotation of the mesh's root`, (t) => rootRotation(world, first!, timed(t)));
  },
});
