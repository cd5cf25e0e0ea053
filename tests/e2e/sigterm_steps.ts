import assert from "node:assert/strict";
import type { ClientHttp2Session } from "node:http2";
import type { Container } from "./container.ts";
import { loadFromPod } from "./pod_load.ts";
import type { Step } from "./step.ts";
import { openSession, openTunnel, type TunnelTarget } from "./tunnel_client.ts";
import type { E2eWorld } from "./world.ts";

/** SIGTERM while requests come by every way: each one that the app has accepted is answered. Both sides count. */
export async function sigterm(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  await step("SIGTERM under load: the app's count of accepted requests is the clients' count of answers", async () => {
    await using krun = startCounting(world, runtime);
    await krun.said("in the mesh after", 60_000);
    await world.reached(krun, "/", /ready/);
    const { address, port, host, ca, idToken } = world.frontEnd;
    const target: TunnelTarget = { url: `https://${address}:${port}`, ca, host, idToken: idToken() };
    const session = await openSession(target);
    const fromPod = await loadFromPod(world, "/count", 8, { connections: 4, perSecond: 0 });
    const requests = Array.from({ length: 4 }, () => askUntilRefused(session, target));
    const lines = Array.from({ length: 4 }, () => talkUntilOver(session, target));
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await krun.stop(10);
    const byFrontEnd = sum(await Promise.all(requests));
    const byTunnel = sum(await Promise.all(lines));
    session.destroy();
    const byGate = await fromPod.result();
    const said = /^accepted (\d+) requests and (\d+) lines$/m.exec(krun.log());
    assert.ok(said, `the app did not end in order:\n${krun.log()}`);
    for (const answered of [byFrontEnd, byTunnel, byGate.answered]) assert.ok(answered > 5, `${answered} answers`);
    assert.deepEqual(
      { requests: Number(said[1]), lines: Number(said[2]) },
      { requests: byFrontEnd + byGate.answered, lines: byTunnel },
      `by the front end ${byFrontEnd}, by the gate ${byGate.answered}\n${byGate.text}\n${krun.log()}`,
    );
    assert.ok(byGate.failed > 0, `the load outlived the app:\n${byGate.text}`);
  });
}

export function startCounting(
  world: E2eWorld,
  runtime: string,
  options: { env?: Record<string, string>; options?: readonly string[] } = {},
): Container {
  return world.startKrun(runtime, {
    ...options,
    env: { PORT_lines: "9000", ...options.env },
    command: ["/e2e/counting-app"],
  });
}

/** One request after the other by the front end until one is not answered with 200. @returns how many were */
async function askUntilRefused(session: ClientHttp2Session, target: TunnelTarget): Promise<number> {
  for (let answered = 0;; answered++) {
    try {
      const stream = session.request({
        ":path": "/count",
        ":authority": target.host!,
        authorization: `Bearer ${target.idToken}`,
      });
      const status = new Promise((resolve) => stream.once("response", (headers) => resolve(headers[":status"])));
      let text = "";
      for await (const chunk of stream) text += new TextDecoder().decode(chunk);
      if (text !== "counted\n" || await status !== 200) return answered;
    } catch {
      return answered;
    }
  }
}

/** Lines through one tunnel until the app is done with it. @returns how many were answered */
async function talkUntilOver(session: ClientHttp2Session, target: TunnelTarget): Promise<number> {
  const { stream, status } = openTunnel(session, target, "lines");
  assert.equal(await status, 200);
  let answered = 0;
  try {
    stream.write("line\n");
    for await (const chunk of stream) {
      answered += new TextDecoder().decode(chunk).split("\n").length - 1;
      stream.write("line\n");
    }
  } catch { /* the app is gone: what it has answered is counted */ }
  stream.destroy();
  return answered;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((one, other) => one + other, 0);
}
