import assert from "node:assert/strict";
import { UsageError } from "../lib/base/errors.ts";
import { istiodOf, statusOf, vouchedBy } from "./hgate_stages.ts";

Deno.test("HGATE_AUDIENCES: a host gets tokens for what it is vouched for, and nobody else's", () => {
  const vouched = vouchedBy("a.run.app=https://api?x=1, b.run.app=web");
  assert.ok(vouched("a.run.app", "https://api?x=1"));
  assert.ok(vouched("b.run.app", "web"));
  assert.ok(!vouched("a.run.app", "web"));
  assert.ok(!vouchedBy("")("", ""));
  assert.throws(() => vouchedBy("a.run.app"), UsageError);
});

Deno.test("HGATE_ISTIOD: host and port, IPv6 too", () => {
  const of = (istiod: string) => istiodOf({ istiod, istiodNames: "a, b," });
  assert.deepEqual(of("istiod.istio-system.svc:15012"), {
    host: "istiod.istio-system.svc",
    port: 15_012,
    names: ["a", "b"],
  });
  assert.deepEqual(of("[fd00::1]:15012").host, "fd00::1");
  for (const wrong of ["istiod", "istiod:99999", ":15012"]) assert.throws(() => of(wrong), UsageError, wrong);
});

Deno.test("a replica is ready when its data plane has taken routes, and not before or at the end", async () => {
  const reason = async (running: Parameters<typeof statusOf>[0]) => (await statusOf(running)).notReady;
  const gate = { engine: "embedded", stats: () => Promise.reject(new Error("gone")) } as never;
  const inForce = (at: number | undefined) => ({ at, routes: { tunnels: [], istiod: [] } }) as never;
  const controller = {
    trouble: () => "services: 403",
    problems: () => [],
    clusterHeardAt() {},
    isLeader: () => true,
  } as never;
  assert.equal(await reason({ isEnding: () => false }), "the data plane is not open");
  assert.equal(
    await reason({ isEnding: () => false, gate, inForce: inForce(undefined), controller }),
    "no routes yet: services: 403",
  );
  assert.equal(await reason({ isEnding: () => false, gate, inForce: inForce(1), controller }), undefined);
  assert.equal(await reason({ isEnding: () => true, gate, inForce: inForce(1), controller }), "hgate is ending");
});
