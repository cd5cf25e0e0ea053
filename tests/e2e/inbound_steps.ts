import assert from "node:assert/strict";
import type { Container } from "./container.ts";
import { NAMESPACE, SERVICE } from "./objects.ts";
import { openSession, openTunnel } from "./tunnel_client.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/** From an injected pod through gate, front end and tunnel to the app behind krun. */
export async function inbound(world: E2eWorld, krun: Container, step: Step): Promise<void> {
  await step("injected pod → gate → front end → tunnel → app, with the pod's identity", async () => {
    await world.reached(
      krun,
      "/debug",
      /X-Forwarded-Client-Cert:.*URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/echo/i,
    );
  });
  await step("fortio load from the pod: every request answered", async () => {
    const { stdout, stderr } = await world.cluster.exec(
      NAMESPACE,
      "deployment/echo",
      "echo",
      "/usr/local/bin/fortio",
      "load",
      "-qps",
      "0",
      "-n",
      "2000",
      "-c",
      "8",
      `http://${SERVICE}:8080/echo`,
    );
    assert.match(stdout + stderr, /Code 200 : 2000 \(100\.0 %\)/, stdout + stderr);
  });
  await step(
    "the front end lets nobody in without an ID token; undeclared ports answer 404; identity cannot be spoofed",
    async () => {
      const { address, port, host, ca, idToken } = world.frontEnd;
      const target = { url: `https://${address}:${port}`, ca, host };
      const session = await openSession(target);
      try {
        assert.equal(await openTunnel(session, target, "15003").status, 401);
        const allowed = { ...target, idToken: idToken() };
        for (const name of ["22", "15000", "nothing"]) {
          assert.equal(await openTunnel(session, allowed, name).status, 404, name);
        }
        const stream = session.request({
          ":path": "/debug",
          ":authority": host,
          authorization: `Bearer ${idToken()}`,
          "x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/root/sa/spoofed",
        });
        let text = "";
        for await (const chunk of stream) text += new TextDecoder().decode(chunk);
        assert.match(text, /^GET \/debug/m, text);
        assert.doesNotMatch(text, /spoofed/);
      } finally {
        session.destroy();
      }
    },
  );
}
