import assert from "node:assert/strict";
import { Container } from "./container.ts";
import { gateMetric } from "./gate_metrics.ts";
import { NAMESPACE } from "./objects.ts";
import { patternSum } from "./pattern.ts";
import { PEER_HTTP2, PEER_URL, peerInPod } from "./pod_peer.ts";
import { eventually } from "./process.ts";
import { say } from "./say.ts";
import type { Step } from "./step.ts";
import { type E2eWorld, FORTIO } from "./world.ts";

const TUNNELS = 2_000;
const NOFILE = 8_192;
/** What a process has open besides tunnels, at most. */
const OTHER_FILES = 400;
const ISTIOD = 'service="istiod"';

/** Every protocol that services speak, from the injected pod through the gate's replicas to krun's app, byte for byte. */
export async function gateProtocols(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  const { cluster, gateAddress } = world;
  const [peer, files] = await Promise.all([peerInPod(world), openFiles(world, runtime)]);
  const toIstiod = async () => {
    const [open, ended] = await Promise.all(
      ["hgate_tunnels_open", "hgate_tunnels_total"].map((name) => gateMetric(cluster, name, ISTIOD)),
    );
    return { open: open!, all: open! + ended! };
  };
  const before = await toIstiod();
  await using krun = world.startKrun(runtime, {
    env: { IMCON_ADDR: gateAddress },
    options: files.options,
    command: ["/e2e/mesh-peer", "serve"],
  });
  await step("krun's own certificate and configuration come through the gate's 15012", async () => {
    await krun.said("in the mesh after", 60_000);
    await eventually("streams to istiod in hgate's metrics", async () => {
      const now = await toIstiod();
      return now.open > 0 && now.all > before.all ? true : undefined;
    });
  });
  await step("the app sees who calls", async () => {
    await world.reached(krun, "/identity", new RegExp(`URI=spiffe://cluster\\.local/ns/${NAMESPACE}/sa/echo`));
  });
  const mebibytes = runtime === "runc" ? 1_024 : 256; // gVisor's network stack costs several times as much
  const bytes = mebibytes << 20;
  const sum = patternSum(bytes);
  for (const word of ["take", "send"]) {
    await step(`${word === "take" ? "up" : "down"}load of ${mebibytes} MiB, compared by hash`, async () => {
      const started = performance.now();
      assert.deepEqual(await peer(word, PEER_URL, bytes), { sum });
      say(`${word}: ${Math.round(mebibytes / (performance.now() - started) * 1_000)} MiB/s`);
    });
  }
  await step("HTTP/2: 50 requests at once on one connection", async () => {
    assert.deepEqual(await peer("http2", PEER_HTTP2, 50), { echoed: 50 });
  });
  await step("gRPC: a bidirectional stream of 500 messages, and its trailers", async () => {
    const { trailers, ...rest } = await peer("grpc", PEER_HTTP2, 500);
    assert.deepEqual(rest, { echoed: 500, status: 200, rest: 0 });
    assert.equal((trailers as Record<string, string>)["grpc-status"], "0");
  });
  await step("WebSocket: 500 messages", async () => {
    assert.deepEqual(await peer("websocket", PEER_URL, 500), { echoed: 500 });
  });
  // A proxy has two of a request's connections open, and krun two of a tunnel.
  const count = Math.min(TUNNELS, Math.floor((files.most - OTHER_FILES) / 2));
  await step(
    `${count} tunnels at once${count < TUNNELS ? ` (containers here may open ${files.most} files)` : ""}`,
    async () => {
      assert.deepEqual(await peer("hold", PEER_URL, count), { answered: count }, krun.log());
      // The pod's proxy keeps what it may use again.
      const open = await eventually("all tunnels in hgate's metrics", async () => {
        const open = await gateMetric(cluster, "hgate_tunnels_open", `service="${NAMESPACE}/`);
        return open >= count ? open : undefined;
      });
      say(`tunnels open: ${open}`);
    },
  );
  assert.equal(krun.ended, false, krun.log());
}

/** How many files the containers at both ends may open, and the option by which krun's is given that many. */
async function openFiles(world: E2eWorld, runtime: string): Promise<{ most: number; options: string[] }> {
  const limit = "ulimit -Hn";
  const given = ["--ulimit", `nofile=${NOFILE}:${NOFILE}`];
  const inContainer = async (options: string[]) => {
    const name = `krun-e2e-${crypto.randomUUID().slice(0, 8)}`;
    await using container = Container.start(world.settings, runtime, {
      image: FORTIO,
      name,
      options,
      entrypoint: "sh",
      command: ["-c", limit],
    });
    return await container.exitCode === 0 ? Number(/^\d+$/m.exec(container.log())?.[0] ?? NaN) : NaN;
  };
  const { stdout } = await world.cluster.exec(NAMESPACE, "deployment/echo", "echo", "sh", "-c", limit);
  const inPod = /^\d+/.test(stdout) ? Number.parseInt(stdout) : Infinity;
  const most = await inContainer(given);
  if (!Number.isNaN(most)) return { most: Math.min(most, inPod), options: given };
  return { most: Math.min(await inContainer([]), inPod), options: [] };
}
