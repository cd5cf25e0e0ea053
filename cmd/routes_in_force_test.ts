import assert from "node:assert/strict";
import type { GateRoutes } from "../lib/gate/mod.ts";
import { RoutesInForce } from "./routes_in_force.ts";

const routes = (name: string): GateRoutes => ({
  tunnels: [{
    service: `prod/${name}`,
    serverNames: [name],
    url: `https://${name}`,
    audience: `https://${name}`,
    path: "/_hbone/15003",
    limits: { tunnels: 1, connectTimeoutMs: 1, idleTimeoutMs: 1 },
  }],
  istiod: [],
});

Deno.test("routes in force: one set at a time, of those that wait the last, tokens before routes", async () => {
  const seen: string[] = [];
  let release = () => {};
  const idle = Promise.withResolvers<void>();
  const inForce = new RoutesInForce(
    {
      update: ({ tunnels }) => {
        seen.push(`update ${tunnels[0]!.service}`);
        if (tunnels[0]!.service === "prod/bad") return Promise.reject(new Error("no such path"));
        if (tunnels[0]!.service === "prod/last") idle.resolve();
        return new Promise((resolve) => release = resolve);
      },
    },
    { keep: (audiences) => void seen.push(`keep ${[...audiences]}`) },
    () => 42,
  );
  for (const name of ["a", "b", "c"]) inForce.take(routes(name));
  assert.deepEqual(seen, ["keep https://a", "update prod/a"]);
  assert.equal(inForce.at, undefined);
  release();
  await until(() => seen.includes("update prod/c"));
  assert.deepEqual(seen.slice(2), ["keep https://c", "update prod/c"]);
  assert.deepEqual([inForce.routes.tunnels[0]!.service, inForce.at], ["prod/a", 42]);
  release();
  await until(() => inForce.routes.tunnels[0]!.service === "prod/c");

  inForce.take(routes("bad"));
  await until(() => inForce.problem !== undefined);
  assert.deepEqual([inForce.problem, inForce.routes.tunnels[0]!.service], ["no such path", "prod/c"]);
  inForce.take(routes("last"));
  await idle.promise;
  release();
  await until(() => inForce.problem === undefined);
  assert.equal(inForce.routes.tunnels[0]!.service, "prod/last");
});

async function until(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000 && !done(); turn++) await Promise.resolve();
  assert.ok(done());
}
