import assert from "node:assert/strict";
import { untilNodesFollow } from "./node_follows.ts";
import { loadFromPod, loadResult } from "./pod_load.ts";
import { eventually, must } from "./process.ts";
import { say } from "./say.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/** The API server is away; the token is renewed every 2 s. */
const AWAY_SECONDS = 8;

/** With load both ways: what krun holds ends and is renewed, and who renews it is away for a while. No request may notice. */
export async function restarts(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  await using krun = world.startKrun(runtime, {
    env: {
      KRUN_CAPTURE: "whitebox",
      MESH_FORWARD: "7080=echo:8080",
      KRUN_TOKEN_RENEW_SECONDS: "2",
      SECRET_TTL: "20s",
    },
    command: ["/usr/local/bin/fortio", "server"],
  });
  await krun.said("in the mesh after", 60_000);
  await world.reached(krun, "/echo", /200 OK/);
  const renewals = () => krun.log().split("\n").filter((line) => line.includes("token renewed")).length;
  const serial = async () => {
    const { stdout } = await krun.exec(["curl", "-sS", "http://127.0.0.1:15000/certs"]);
    return /"cert_chain": \[\s*\{[^}]*"serial_number": "(\w+)"/.exec(stdout)?.[1];
  };

  /** Load in both directions for as long as `fault` takes, and at least `seconds`. */
  async function underLoad(seconds: number, fault: () => Promise<void>): Promise<void> {
    const inbound = await loadFromPod(world, "/echo", seconds);
    const words = ["load", "-qps", "100", "-c", "4", "-t", `${seconds}s`, "-H", "host: echo"];
    const outbound = krun.exec(["/usr/local/bin/fortio", ...words, "http://127.0.0.1:7080/echo"]);
    await fault();
    const { stdout, stderr } = await outbound;
    for (const { answered, failed, text } of [loadResult(stdout + stderr), await inbound.result()]) {
      assert.equal(failed, 0, `${text}\n${krun.log()}`);
      assert.ok(answered > seconds * 50, text);
    }
  }

  await step("tokens and certificates end and are renewed under load: every request is answered", async () => {
    const before = { renewals: renewals(), serial: await serial() };
    assert.ok(before.serial, "a certificate");
    await underLoad(20, async () => {
      await eventually("another certificate", async () => await serial() !== before.serial || undefined, 20_000);
    });
    assert.ok(renewals() >= before.renewals + 5, krun.log());
  });
  if (world.settings.restartApi.length === 0) return say("the API server is not restarted: E2E_RESTART_API is not set");
  await step(
    "the API server is restarted under load: every request is answered, tokens are renewed after",
    async () => {
      await underLoad(15, async () => {
        await must([...world.settings.restartApi, String(AWAY_SECONDS)]);
        const then = renewals();
        await eventually("a token after that", () => Promise.resolve(renewals() > then || undefined), 30_000);
      });
      await untilNodesFollow(world.cluster);
      assert.match(krun.log(), /token for istio-ca not renewed \(the old one is good for \d+ s more\)/);
    },
  );
}
