import { pause } from "../../lib/base/pause.ts";
import { registrationObjects } from "../../lib/registration/mod.ts";
import type { Cluster } from "./cluster.ts";
import type { Container } from "./container.ts";
import { loadDuring } from "./gate_load.ts";
import { NAMESPACE } from "./objects.ts";
import { eventually, must } from "./process.ts";
import { say } from "./say.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const CONNECTIONS = 24;
/** Of a connection at the front end: fewer than the clients have tunnels, so that one connection is not enough. */
const STREAMS = 4;
const LOAD_MS = 12_000;
/** A tunnel is one request to Cloud Run. */
const REQUEST_TIMEOUT_MS = 8_000;
const SETTLED_MS = 3_000;

/** What Cloud Run's front end does to its clients, by an Envoy in its place, under load through the gate. */
export async function frontEndFaults(world: E2eWorld, krun: Container, step: Step): Promise<void> {
  const { cluster, registration, settings } = world;
  const underLoad = (what: string, fault: () => Promise<void>) =>
    loadDuring(world, krun, { what, connections: CONNECTIONS }, fault);

  try {
    await step("the front end lowers its limit of streams and sends GOAWAY each second: no request fails", async () => {
      await world.changeFrontEnd({ streams: STREAMS, connectionLife: "1s" });
      await world.reached(krun, "/", /ready/);
      await underLoad("GOAWAY", () => pause(LOAD_MS));
    });
    await step(
      "the front end ends each stream at the service's request timeout: clients were elsewhere before, no request fails",
      async () => {
        await world.changeFrontEnd({ streamLife: `${REQUEST_TIMEOUT_MS / 1_000}s` });
        await cluster.apply(...registrationObjects({ ...registration, requestTimeoutMs: REQUEST_TIMEOUT_MS }));
        await world.reached(krun, "/", /ready/);
        await pause(SETTLED_MS); // istiod's news have come to the client
        await underLoad("request timeout", () => pause(2.5 * REQUEST_TIMEOUT_MS));
      },
    );
    if (settings.killContainer.length === 0) say("the front end is not killed: E2E_KILL_CONTAINER is not set");
    else {
      await step("the front end is killed: when it is back all goes on", async () => {
        const before = await containerOf(cluster);
        await must([...settings.killContainer, before]);
        await eventually("another front end", async () => await containerOf(cluster) !== before || undefined);
        await world.reached(krun, "/", /ready/);
        await underLoad("a front end that was killed", () => pause(5_000));
      });
    }
  } finally {
    await cluster.apply(...registrationObjects(registration));
    await world.changeFrontEnd();
    await world.reached(krun, "/", /ready/);
  }
}

/** The ready front end's container as the node's engine knows it; none while it is started again. */
async function containerOf(cluster: Cluster): Promise<string> {
  interface Pod {
    metadata: { deletionTimestamp?: string };
    status: { containerStatuses?: { containerID?: string; ready: boolean }[] };
  }
  const { items } = await cluster.get<{ items: Pod[] }>("-n", NAMESPACE, "pods", "-l", "app=front-end");
  const [container] = items.find(({ metadata }) => !metadata.deletionTimestamp)?.status.containerStatuses ?? [];
  if (!container?.ready) throw new Error("the front end is not ready");
  return container.containerID?.replace(/^\w+:\/\//, "") ?? "";
}
