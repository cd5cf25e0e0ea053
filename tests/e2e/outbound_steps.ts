import assert from "node:assert/strict";
import { createAuthority } from "../emulators/certificates.ts";
import type { Container } from "./container.ts";
import { NAMESPACE } from "./objects.ts";
import type { Step } from "./step.ts";
import type { E2eWorld } from "./world.ts";

/** From the app behind krun, with the environment that it got, into the mesh and out of it. */
export async function outbound(world: E2eWorld, krun: Container, step: Step): Promise<void> {
  const environment = await krun.environmentOf("fortio");
  const curl = async (...words: string[]) => {
    const { code, stdout, stderr } = await krun.exec(["curl", "-sS", "-m", "10", ...words], environment);
    assert.equal(code, 0, `curl ${words.join(" ")}: ${stderr}\n${krun.log()}`);
    return stdout;
  };
  const status = (...words: string[]) => curl("-o", "/dev/null", "-w", "%{http_code}", ...words);

  for (const host of ["echo", `echo.${NAMESPACE}`, `echo.${NAMESPACE}.svc`, `echo.${NAMESPACE}.svc.cluster.local`]) {
    await step(`app → ${host} over mTLS, with the app's identity seen there`, async () => {
      const answer = await curl(`http://${host}:8080/debug`);
      assert.match(answer, /X-Forwarded-Client-Cert:.*By=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/echo/i, answer);
      assert.match(
        answer,
        /X-Forwarded-Client-Cert:.*URI=spiffe:\/\/cluster\.local\/ns\/krun-e2e\/sa\/default/i,
        answer,
      );
    });
  }
  await step("a VirtualService's rule holds: plainly, and inside CONNECT", async () => {
    assert.equal(await status("http://echo:8080/teapot"), "418");
    assert.equal(await status("-p", "-x", environment["HTTP_PROXY"]!, "http://echo:8080/teapot"), "418");
  });
  await step("gRPC by CONNECT", async () => {
    const { code, stdout, stderr } = await krun.exec(
      ["/usr/local/bin/fortio", "grpcping", "-n", "3", "echo:8079"],
      environment,
    );
    assert.equal(code, 0, stderr + stdout);
    assert.match(stdout + stderr, /RTT histogram/);
  });
  await step("a forward to HTTP keeps the route's rule, one to opaque TCP is echoed", async () => {
    assert.equal(await status("--noproxy", "*", "-H", "host: echo", "http://127.0.0.1:7080/teapot"), "418");
    const { stdout, stderr } = await krun.exec(
      ["sh", "-c", "(echo whole line; sleep 1) | /usr/local/bin/fortio nc 127.0.0.1:7078"],
    );
    assert.match(stdout + stderr, /^whole line$/m);
  });
  await step("fortio load by a forward: every request answered", async () => {
    // fortio looks names up itself before it asks any proxy
    const words = ["load", "-qps", "0", "-n", "2000", "-c", "4", "-H", "host: echo", "http://127.0.0.1:7080/echo"];
    const { stdout, stderr } = await krun.exec(["/usr/local/bin/fortio", ...words]);
    assert.match(stdout + stderr, /Code 200 : 2000 \(100\.0 %\)/, stdout + stderr);
  });
  await step("hosts outside the mesh, HTTP and HTTPS", async () => {
    const authority = createAuthority("outside CA");
    const { certificatePem, privateKeyPem } = authority.issue({
      commonName: "outside",
      subjectAltNames: [world.settings.ownAddress],
    });
    const answer = (request: Request) => new Response(`outside ${new URL(request.url).protocol}`);
    const options = { hostname: "0.0.0.0", port: 0, onListen: () => {} };
    await using plain = Deno.serve(options, answer);
    await using tls = Deno.serve({ ...options, cert: certificatePem, key: privateKeyPem }, answer);
    assert.equal(await curl(`http://${world.settings.ownAddress}:${plain.addr.port}/`), "outside http:");
    const secure = `https://${world.settings.ownAddress}:${tls.addr.port}/`;
    assert.equal(await curl("-k", secure), "outside https:");
    const { code } = await krun.exec(["curl", "-sS", "-m", "5", secure], environment);
    assert.notEqual(code, 0, "a certificate that nobody signed must not be taken");
  });
  await step("an unknown host is an error, not a hang", async () => {
    assert.equal(await status("http://no-such-service.no-such-namespace:8080/"), "503");
  });
}
