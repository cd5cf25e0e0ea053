import type { Container } from "./container.ts";
import { loadDuring } from "./gate_load.ts";
import { NAMESPACE } from "./objects.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const CONNECTIONS = 24;
/** Of a connection at the front end: fewer than the clients have tunnels, so that one connection is not enough. */
const STREAMS = 4;
const LOAD_MS = 12_000;

/** What Cloud Run's front end does to its clients, by an Envoy in its place, under load through the gate. */
export async function frontEndFaults(world: E2eWorld, krun: Container, step: Step): Promise<void> {
  const { cluster } = world;
  const underLoad = (what: string, fault: () => Promise<void>, mayFail = 0) =>
    loadDuring(world, krun, { what, mayFail, connections: CONNECTIONS }, fault);
  const inFrontEnd = (...words: string[]) => cluster.kubectl("-n", NAMESPACE, ...words);

  try {
    await step("the front end lowers its limit of streams and sends GOAWAY each second: no request fails", async () => {
      await world.changeFrontEnd({ streams: STREAMS, connectionLife: "1s" });
      await world.reached(krun, "/", /ready/);
      await underLoad("GOAWAY", () => new Promise((resolve) => setTimeout(resolve, LOAD_MS)));
    });
    await step("one of two front ends is cut off: what it carried is lost, and no more", async () => {
      await inFrontEnd("scale", "deployment/front-end", "--replicas=2");
      await inFrontEnd("rollout", "status", "deployment/front-end", "--timeout=60s");
      await world.reached(krun, "/", /ready/);
      const [pod] = (await inFrontEnd("get", "pods", "-l", "app=front-end", "-o", "name")).trim().split("\n");
      await underLoad("a front end cut off", async () => {
        await inFrontEnd("delete", pod!, "--grace-period=0", "--force", "--wait=false");
        await inFrontEnd("rollout", "status", "deployment/front-end", "--timeout=60s");
      }, CONNECTIONS);
    });
  } finally {
    await inFrontEnd("scale", "deployment/front-end", "--replicas=1");
    await world.changeFrontEnd();
    await world.reached(krun, "/", /ready/);
  }
}
