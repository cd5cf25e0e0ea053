/** `register-service` and the gate: its address is waited for, its routes are looked at. */
import assert from "node:assert/strict";
import { command as register } from "../../cmd/register_service.ts";
import { gateAddress } from "../../lib/admin/gate_address.ts";
import { adminContext } from "../../lib/admin/mod.ts";
import { ADMIN, type AdminWorld, runCommand, startAdminWorld } from "./admin_world.ts";
import { checkOf, cloudRunService, gatePods, made, type SaidRoute, shop, uriOf } from "./register_scene.ts";

const ROUTE: SaidRoute = { service: "shop/web", to: `${uriOf("us-central1")}/_hbone/15003` };

async function scene(use: (world: AdminWorld) => Promise<void>): Promise<void> {
  await using world = await startAdminWorld();
  shop(world);
  cloudRunService(world);
  await use(world);
}
const run = (world: AdminWorld, timeoutMs?: number) =>
  runCommand(world, register, ["web", "--namespace", "shop"], timeoutMs ? { timeoutMs } : {});

Deno.test("register-service: waits until every replica that is ready has the route", () =>
  scene(async (world) => {
    const asked = { "hgate-1": 0, "hgate-2": 0 };
    gatePods(world, {
      "hgate-1": () => ({ routes: asked["hgate-1"]++ >= 0 ? [ROUTE] : [] }),
      "hgate-2": () => ({ routes: asked["hgate-2"]++ >= 2 ? [ROUTE] : [] }),
    });
    world.put("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "hgate-3", namespace: "istio-system", labels: { app: "hgate" } },
      status: { conditions: [{ type: "Ready", status: "False" }] },
    });
    assert.deepEqual(checkOf(await run(world)), { state: "done", detail: "all 2 replicas have them" });
    assert.equal(asked["hgate-2"], 3);
  }));

Deno.test("register-service: what the gate says against it is the reason of its failure, and the objects stay", () =>
  scene(async (world) => {
    const problem = "the URL's host may not be given an ID token: HGATE_FRONT_END_HOSTS does not have it";
    gatePods(world, { "hgate-1": () => ({ problems: [{ object: "Service shop/web", problem }] }) });
    const { state, detail } = checkOf(await run(world, 150));
    assert.equal(state, "failed");
    assert.match(detail!, /Service shop\/web: the URL's host may not be given an ID token/);
    assert.match(detail!, /hgate routes/);
    assert.equal(made(world).length, 5);
  }));

Deno.test("register-service: a gate that does not get to it in time is told", () =>
  scene(async (world) => {
    gatePods(world, { "hgate-1": () => ({}) });
    const { state, detail } = checkOf(await run(world, 100));
    assert.equal(state, "failed");
    assert.match(detail!, /shop\/web to https:\/\/web-.*: not there yet/);
  }));

const UNSEEN: [name: string, prepare: (world: AdminWorld) => void, expected: RegExp][] = [
  ["no gate", () => {}, /^not looked at: no pod of the gate is ready in istio-system$/],
  ["no right to list pods", ({ kubernetes: { state } }) => {
    state.denied.push({ subject: ADMIN, verb: "list", resource: "pods" });
  }, /^not looked at: list pods in istio-system.*403.*cannot list resource "pods"/],
  ["no right to reach them", (world) => {
    gatePods(world, { "hgate-1": () => ({}) });
    world.kubernetes.state.denied.push({ subject: ADMIN, resource: "pods/proxy" });
  }, /^not looked at: ask pod istio-system\/hgate-1 for its routes .*403.*"pods\/proxy"/],
  ["no way to them", (world) => {
    gatePods(world, { "hgate-1": () => ({}) });
    world.kubernetes.state.podPorts = {};
  }, /^not looked at: ask pod .*503.*connection refused/],
];
for (const [name, prepare, expected] of UNSEEN) {
  Deno.test(`register-service: routes are not looked at where there is ${name}`, () =>
    scene(async (world) => {
      prepare(world);
      const { state, detail } = checkOf(await run(world));
      assert.equal(state, "done");
      assert.match(detail!, expected);
    }));
}

Deno.test("register-service: the gate's load balancer is waited for, and that is said; not for ever", () =>
  scene(async (world) => {
    const balancer = (ingress: unknown[]) =>
      world.put("services", {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "internal-hgate", namespace: "istio-system" },
        spec: { type: "LoadBalancer" },
        status: { loadBalancer: { ingress } },
      });
    balancer([]);
    using context = adminContext({}, world);
    const kube = await context.kube();
    const { signal } = new AbortController();
    const told: string[] = [];
    const progress = (text: string) => {
      told.push(text);
      if (told.length === 2) balancer([{ ip: "10.0.0.77" }]);
    };
    const options = { namespace: "istio-system", timeoutMs: 5_000, everyMs: 5, signal, progress };
    assert.equal(await gateAddress(kube, options), "10.0.0.77");
    assert.deepEqual(told, Array(2).fill("waiting for the load balancer of Service istio-system/internal-hgate"));
    balancer([]);
    await assert.rejects(
      gateAddress(kube, { ...options, timeoutMs: 20, progress: () => {} }),
      /has no address after 0\.02 s\n.*kubectl -n istio-system describe service internal-hgate/,
    );
    const ending = new AbortController();
    const waiting = gateAddress(kube, {
      ...options,
      signal: ending.signal,
      progress: () => ending.abort(new Error("^C")),
    });
    await assert.rejects(waiting, /\^C/);
  }));
