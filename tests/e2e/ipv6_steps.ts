import assert from "node:assert/strict";
import { NAMESPACE } from "./objects.ts";
import { say } from "./say.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/** An app that knows no proxy reaches what is outside by IPv4 and by IPv6, and the mesh beside. */
export async function ipv6(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  const { ownAddress, ownAddress6 } = world.settings;
  if (!ownAddress6) return say("nothing is asked by IPv6: E2E_OWN_ADDRESS6 is not set");
  const peers: string[] = [];
  await using server = Deno.serve({ hostname: "::", port: 0, onListen: () => {} }, (_, { remoteAddr }) => {
    peers.push((remoteAddr as Deno.NetAddr).hostname);
    return new Response("outside");
  });
  const istiod = await world.cluster.kubectl("-n", "istio-system", "get", "deployment", "istiod", "-o", "json");
  const families = /"name": "ISTIO_DUAL_STACK",\s*"value": "true"/.test(istiod) ? [false, true] : [false];
  if (families.length === 1) {
    say("IPv6 is not captured: istiod is not told ISTIO_DUAL_STACK, so Envoy listens on IPv4 alone");
  }
  for (const dualStack of families) {
    await using krun = world.startKrun(runtime, {
      env: { OUTBOUND_IP_RANGES_INCLUDE: "*", ...(dualStack ? { ISTIO_DUAL_STACK: "true" } : {}) },
      command: ["/usr/local/bin/fortio", "server"],
    });
    await krun.said("in the mesh after", 60_000);
    const captured = krun.log().includes("captured by iptables");
    const environment = await krun.environmentOf("fortio");
    const curl = async (...words: string[]) => {
      const { code, stdout, stderr } = await krun.exec(["curl", "-sS", "-m", "10", ...words], environment);
      assert.equal(code, 0, `curl ${words.join(" ")}: ${stderr}\n${krun.log()}`);
      return stdout;
    };
    /** Whether Envoy has made connections to where the app wanted to go. */
    const byEnvoy = async (host: string) => {
      const { stdout } = await krun.exec(["curl", "-sS", "http://127.0.0.1:15000/clusters"]);
      return stdout.includes(`\nPassthroughCluster::${host}:${server.addr.port}::`);
    };
    const how = captured ? (dualStack ? "captured with both families" : "IPv4 captured") : "whitebox";
    await step(`IPv4 and IPv6 to the outside, ${how}`, async () => {
      assert.equal(await curl(`http://${ownAddress}:${server.addr.port}/`), "outside");
      assert.equal(await curl(`http://[${ownAddress6}]:${server.addr.port}/`), "outside");
      assert.match(peers.at(-1)!, /^(?!::ffff:).*:/, "the second came by IPv6");
      if (!captured) return;
      assert.equal(await byEnvoy(ownAddress), true, "IPv4 is captured");
      assert.equal(await byEnvoy(`[${ownAddress6}]`), dualStack, "IPv6 is captured where Envoy listens on it");
    });
    await step(`the mesh by its names, ${how}`, async () => {
      const answer = await curl(`http://echo.${NAMESPACE}.svc.cluster.local:8080/debug`);
      assert.match(
        answer,
        /X-Forwarded-Client-Cert:.*URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/default/i,
        answer,
      );
    });
    if (!captured) return; // without rules there is one way for both families
  }
}
