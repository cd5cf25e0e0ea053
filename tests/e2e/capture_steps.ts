import assert from "node:assert/strict";
import { inbound } from "./inbound_steps.ts";
import { NAMESPACE } from "./objects.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/** The default of capture: iptables where the container may, and a word on why not where it may not. */
export async function capture(world: E2eWorld, runtime: string, step: Step): Promise<void> {
  await using krun = world.startKrun(runtime, { command: ["/usr/local/bin/fortio", "server"] });
  await krun.said("in the mesh after", 60_000);
  const environment = await krun.environmentOf("fortio");
  if (/whitebox, by the app's proxy variables: /.test(krun.log())) {
    await step("whitebox instead, and the reason; --capture=required fails with it", async () => {
      assert.equal(environment["HTTP_PROXY"], "http://127.0.0.1:15007");
      await krun.stop();
      await using required = world.startKrun(runtime, {
        command: ["--capture=required", "--", "/usr/local/bin/fortio", "server"],
      });
      await required.said("cannot capture the app's traffic by iptables", 60_000);
    });
    return;
  }
  assert.match(krun.log(), /the app's traffic is captured by iptables/, krun.log());
  assert.equal(environment["HTTP_PROXY"], undefined);
  const curl = async (...words: string[]) => {
    const { code, stdout, stderr } = await krun.exec(["curl", "-sS", "-m", "10", ...words], environment);
    assert.equal(code, 0, `curl ${words.join(" ")}: ${stderr}\n${krun.log()}`);
    return stdout;
  };
  for (const host of ["echo", `echo.${NAMESPACE}`, `echo.${NAMESPACE}.svc.cluster.local`]) {
    await step(`app → ${host} with no proxy set, over mTLS`, async () => {
      const answer = await curl(`http://${host}:8080/debug`);
      assert.match(
        answer,
        /X-Forwarded-Client-Cert:.*URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/default/i,
        answer,
      );
    });
  }
  await step("a VirtualService's rule holds; gRPC and opaque TCP work", async () => {
    assert.equal(await curl("-o", "/dev/null", "-w", "%{http_code}", "http://echo:8080/teapot"), "418");
    const grpc = await krun.exec(["/usr/local/bin/fortio", "grpcping", "-n", "3", "echo:8079"], environment);
    assert.equal(grpc.code, 0, grpc.stderr + grpc.stdout);
    const tcp = await krun.exec(
      ["sh", "-c", "(echo whole line; sleep 1) | /usr/local/bin/fortio nc echo:8078"],
      environment,
    );
    assert.match(tcp.stdout + tcp.stderr, /^whole line$/m);
  });
  await step("fortio load by name: every request answered", async () => {
    const words = ["load", "-qps", "0", "-n", "2000", "-c", "4", "http://echo:8080/echo"];
    const { stdout, stderr } = await krun.exec(["/usr/local/bin/fortio", ...words], environment);
    assert.match(stdout + stderr, /Code 200 : 2000 \(100\.0 %\)/, stdout + stderr);
  });
  await step("an outside host is reached directly", async () => {
    await using server = Deno.serve(
      { hostname: "0.0.0.0", port: 0, onListen: () => {} },
      () => new Response("outside"),
    );
    assert.equal(await curl(`http://${world.settings.ownAddress}:${server.addr.port}/`), "outside");
  });
  await inbound(world, krun, step);
  await step("the rules go with krun", async () => {
    const count = async () => (await krun.exec(["sh", "-c", "iptables-save | grep -c ISTIO"])).stdout.trim();
    assert.notEqual(await count(), "0");
    const { code, stderr } = await krun.exec(["/usr/local/bin/krun", "iptables", "--check"]);
    assert.equal(code, 0, stderr);
  });
}
