import assert from "node:assert/strict";
import { registrationObjects } from "../../lib/registration/mod.ts";
import type { Container } from "./container.ts";
import { gateMetrics, type GatePod, gatePods, metricIn } from "./gate_metrics.ts";
import { gateController } from "./gate_controller_steps.ts";
import { frontEndFaults } from "./gate_front_end_steps.ts";
import { HGATE_NAMESPACE } from "./hgate.ts";
import { untilNodesFollow } from "./node_follows.ts";
import { NAMESPACE } from "./objects.ts";
import { PEER_URL, peerInPod, type PodPeer } from "./pod_peer.ts";
import { loadDuring } from "./gate_load.ts";
import { eventually, must } from "./process.ts";
import { say } from "./say.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

const CONNECTIONS = 4;
/** Of the tokens' source. */
const OUTAGE_MS = 10_000;
/** The API server is away: long enough for leases to end and for waits to grow to their longest. */
const AWAY_SECONDS = 60;
/** Clients change connections every 5 s: before the 20 s that a replica waits for its streams at its end. */
const REQUEST_TIMEOUT_MS = 8_000;

/** What the gate consists of and what it needs goes away under load; every request is counted. */
export async function gateFaults(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  const { cluster, registration, settings } = world;
  const peer = await peerInPod(world);
  await using krun = world.startKrun(runtime, { command: ["/e2e/mesh-peer", "serve"] });
  const register = (more: Partial<typeof registration>) =>
    cluster.apply(...registrationObjects({ ...registration, ...more }));
  await krun.said("in the mesh after", 60_000);
  await world.reached(krun, "/", /ready/);

  const underLoad = (what: string, fault: () => Promise<void>, mayFail = 0) =>
    loadDuring(world, krun, { what, mayFail, connections: CONNECTIONS }, fault);

  if (settings.killContainer.length === 0) say("hgate is not killed beside Envoy: E2E_KILL_CONTAINER is not set");
  else {
    await step("hgate is killed beside its Envoy: open tunnels go on, new ones too, no request fails", async () => {
      const [pod] = await gatePods(cluster);
      await register({ gateAddress: pod!.address }); // all of it goes by this replica, with hgate or without
      try {
        await onlyBy(world, pod!, peer);
        await underLoad("hgate killed", () => killHgate(world, pod!, peer, krun));
      } finally {
        await register({});
      }
    });
  }
  await step("a replica ends in order: clients have changed connections before it goes, no request fails", async () => {
    await register({ requestTimeoutMs: REQUEST_TIMEOUT_MS });
    const [pod] = await gatePods(cluster);
    await underLoad("a replica drained", async () => {
      await cluster.kubectl("-n", HGATE_NAMESPACE, "delete", "pod", pod!.name, "--wait=true");
      await untilReplicas(world, 2);
    });
  });
  await step("a rolling update of both replicas: no request fails", async () => {
    await underLoad("rolling update", async () => {
      await cluster.kubectl("-n", HGATE_NAMESPACE, "rollout", "restart", "deployment/hgate");
      await cluster.kubectl("-n", HGATE_NAMESPACE, "rollout", "status", "deployment/hgate", "--timeout=50s");
      await untilGone(world);
    });
    await register({});
  });
  await step(`a replica is lost at once: ${CONNECTIONS} requests in flight are, and no more`, async () => {
    const [pod] = await gatePods(cluster);
    await underLoad("a replica lost", async () => {
      await cluster.kubectl(
        ...["-n", HGATE_NAMESPACE, "delete", "pod", pod!.name, "--grace-period=0", "--force", "--wait=false"],
      );
      await untilReplicas(world, 2);
    }, CONNECTIONS);
  });
  await step("the source of tokens fails: those at hand go on, a new service's come when it is back", async () => {
    const { faults } = world.google.metadata;
    const pods = await gatePods(cluster);
    const fetched = (result: string) =>
      Promise.all(pods.map((pod) => at(world, pod, "hgate_token_fetches_total", `result="${result}"`)));
    const moreThan = async (before: number[], result: string) =>
      (await fetched(result)).every((count, replica) => count > before[replica]!) || undefined;
    const failed = await fetched("failed");
    const ok = await fetched("ok");
    const url = "https://cr-e2e-new.a.run.app";
    const added = registrationObjects({ ...registration, name: "cr-e2e-new", url });
    await underLoad("no tokens", async () => {
      faults.add({ match: /\/identity\?/, status: 503 });
      try {
        await cluster.apply(...added);
        await eventually("failures of both replicas", () => moreThan(failed, "failed"));
        await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
      } finally {
        faults.clear();
      }
    });
    await eventually("the new service's token", () => moreThan(ok, "ok"), 60_000);
    await cluster.remove(...added);
  });
  if (settings.restartApi.length === 0) say("the API server is not restarted: E2E_RESTART_API is not set");
  else {
    await step("the API server is away: no request fails, and both replicas hear of the cluster again", async () => {
      await underLoad("no API server", async () => {
        await must([...settings.restartApi, String(AWAY_SECONDS)]);
        const backAt = performance.now();
        await eventually("news of the cluster", async () => {
          const ages = await Promise.all(
            (await gatePods(cluster)).map((pod) => at(world, pod, "hgate_config_age_seconds", "")),
          );
          return ages.every((seconds) => seconds * 1_000 < performance.now() - backAt) || undefined;
        });
      });
      await untilNodesFollow(cluster);
    });
  }
  await frontEndFaults(world, krun, step);
  await gateController(world, krun, step);
}

/** A metric of the service's, or of all, at one replica. */
async function at(world: E2eWorld, pod: GatePod, name: string, labels = `service="${NAMESPACE}/`): Promise<number> {
  return metricIn(await gateMetrics(world.cluster, pod), name, labels);
}

/** Until the clients' connections all go by one replica. */
async function onlyBy(world: E2eWorld, pod: GatePod, peer: PodPeer): Promise<void> {
  const [other] = (await gatePods(world.cluster)).filter(({ name }) => name !== pod.name);
  await eventually("tunnels by one replica", async () => {
    await peer("hold", PEER_URL, 4);
    const isOnly = await at(world, other!, "hgate_tunnels_open") === 0 &&
      await at(world, pod, "hgate_tunnels_open") > 0;
    return isOnly || undefined;
  });
}

/** 20 requests wait in tunnels when it is killed; they are answered when 20 more have come that way while it is away. */
async function killHgate(world: E2eWorld, pod: GatePod, peer: PodPeer, krun: Container): Promise<void> {
  const { cluster, settings } = world;
  const before = peer("hold", PEER_URL, 20, 40);
  before.catch(() => {}); // it is awaited below
  await eventually("open tunnels", async () => await at(world, pod, "hgate_tunnels_open") >= 20 || undefined);
  await must([...settings.killContainer, pod.containerId]);
  const after = peer("hold", PEER_URL, 20, 40);
  assert.deepEqual(await Promise.all([before, after]), [{ answered: 20 }, { answered: 20 }], krun.log());
  await eventually("hgate again", async () => {
    const now = (await gatePods(cluster)).find(({ name }) => name === pod.name);
    return now && now.isReady && now.restarts > pod.restarts ? true : undefined;
  });
  const open = await at(world, pod, "hgate_tunnels_open");
  assert.ok(open >= 40, `${open} tunnels are open where 40 were held`);
}

async function untilReplicas({ cluster }: E2eWorld, count: number): Promise<void> {
  await eventually(`${count} ready replicas`, async () => {
    const pods = await gatePods(cluster);
    return pods.length === count && pods.every(({ isReady }) => isReady) ? true : undefined;
  });
}

/** Until those that end have gone. */
async function untilGone({ cluster }: E2eWorld): Promise<void> {
  await eventually("the old replicas' end", async () => {
    const names = await cluster.kubectl("-n", HGATE_NAMESPACE, "get", "pods", "-l", "app=hgate", "-o", "name");
    return names.trim().split("\n").length === 2 ? true : undefined;
  }, 50_000);
}
