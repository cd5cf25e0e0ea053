import assert from "node:assert/strict";
import { createAuthority } from "../../tests/emulators/certificates.ts";
import { requireControlPlane } from "./mod.ts";

Deno.test("control plane: answers by its own name and root, or it is said why not", async () => {
  const [authority, stranger] = [createAuthority("root"), createAuthority("stranger")];
  const key = authority.issue({ commonName: "istiod", subjectAltNames: ["istiod.istio-system.svc"] });
  using istiod = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: key.certificatePem, key: key.privateKeyPem });
  const serving = (async () => {
    for await (const conn of istiod) void conn.handshake().catch(() => {}).finally(() => conn.close());
  })();
  using mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addressOf = (listener: Deno.Listener) => `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  const refused = addressOf(closed);
  closed.close();
  const ask = (xdsAddress: string, roots: string, istiodName: string | undefined = "istiod.istio-system.svc") =>
    requireControlPlane({ xdsAddress, istiodName }, roots, { limitMs: 200 });
  const both = stranger.certificatePem + authority.certificatePem;
  await ask(addressOf(istiod), authority.certificatePem);
  await ask(addressOf(istiod), both);
  await assert.rejects(ask(addressOf(istiod), stranger.certificatePem), /got: .*UnknownIssuer/);
  await assert.rejects(ask(addressOf(istiod), both, "other.name"), /got: .*(NotValidForName|not valid for name)/);
  await assert.rejects(ask(refused, both), /^Problem: reach control plane 127.0.0.1:\d+\n {2}got: .*refused/i);
  await assert.rejects(ask(addressOf(mute), both), /got: no answer within 200 ms/);
  istiod.close();
  await serving.catch(() => {});
});
