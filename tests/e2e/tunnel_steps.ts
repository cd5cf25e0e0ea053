import assert from "node:assert/strict";
import { constants } from "node:http2";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";
import { download, openSession, openTunnel, type TunnelTarget, upload } from "./tunnel_client.ts";
import { patternSum } from "./pattern.ts";

const GIB = 1 << 30;
const MIB = 1 << 20;

/** Bytes through the tunnel's end, straight to 15009 and through the front end, whoever closes first. */
export async function tunnels(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  await using krun = world.startKrun(runtime, {
    env: { PORT_peer: "9000", PEER_PORT: "9000" },
    command: ["/e2e/peer"],
  });
  await krun.said("in the mesh after", 60_000);
  const { address, port, host, ca, idToken } = world.frontEnd;
  const straight: TunnelTarget = { url: `http://${world.settings.containerAddress}:15009` };
  const throughFrontEnd: TunnelTarget = { url: `https://${address}:${port}`, ca, host, idToken: idToken() };

  const big = patternSum(GIB);
  await each("1 GiB down", throughFrontEnd, 1, (tunnel) => download(tunnel, GIB), big);
  await each("1 GiB up", throughFrontEnd, 1, (tunnel) => upload(tunnel, GIB), big);
  const sum = patternSum(64 * MIB);
  for (const [way, target] of [["straight", straight], ["through the front end", throughFrontEnd]] as const) {
    await each(`64 MiB × 20, the server closes first, ${way}`, target, 20, (tunnel) => download(tunnel, 64 * MIB), sum);
    await each(`64 MiB × 20, the client closes first, ${way}`, target, 20, (tunnel) => upload(tunnel, 64 * MIB), sum);
    await each(
      `64 MiB × 20, a slow reader, ${way}`,
      target,
      20,
      (tunnel) => download(tunnel, 64 * MIB, { pauseMs: 20, closeFirst: true }),
      sum,
    );
  }
  assert.equal(krun.ended, false, krun.log());

  async function each(
    name: string,
    target: TunnelTarget,
    times: number,
    move: (tunnel: ReturnType<typeof openTunnel>) => Promise<{ sum: string; code: number }>,
    expected: string,
  ): Promise<void> {
    await step(name, async () => {
      const session = await openSession(target);
      try {
        for (let time = 1; time <= times; time++) {
          const tunnel = openTunnel(session, target, "peer");
          const moved = move(tunnel);
          assert.equal(await tunnel.status, 200);
          assert.deepEqual(
            await moved,
            { sum: expected, code: constants.NGHTTP2_NO_ERROR },
            `time ${time}\n${krun.log()}`,
          );
        }
      } finally {
        session.destroy();
      }
    });
  }
}
