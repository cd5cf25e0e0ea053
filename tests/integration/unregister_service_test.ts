/** `unregister-service`: what is ours goes, what is in use stays, and a person's is left as it was. */
import assert from "node:assert/strict";
import { command as register } from "../../cmd/register_service.ts";
import { command as unregister } from "../../cmd/unregister_service.ts";
import { type AdminWorld, GATE_ACCOUNT, runCommand, startAdminWorld } from "./admin_world.ts";
import { viewOf } from "./admin_view.ts";
import { cloudRunService, gatePods, made, object, shop, uriOf } from "./register_scene.ts";

const SHOP = ["web", "--namespace", "shop"];
const FULL = "projects/demo-project/locations/us-central1/services/web";
const isInvoker = ({ cloudRun }: AdminWorld) =>
  cloudRun.policies.of(FULL).has("roles/run.invoker", `serviceAccount:${GATE_ACCOUNT}`);

async function scene(use: (world: AdminWorld) => Promise<void>, labels = {}): Promise<void> {
  await using world = await startAdminWorld();
  shop(world, labels);
  cloudRunService(world);
  await use(world);
}
const undo = (world: AdminWorld, ...flags: string[]) => runCommand(world, unregister, [...SHOP, ...flags]);
const service = (namespace: string, metadata: object) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace, ...metadata },
  spec: { ports: [{ name: "http", port: 80 }], selector: { app: "web" } },
});

Deno.test("unregister-service: nothing to take back, nobody to ask at Google", () =>
  scene(async (world) => {
    world.put("services", service("shop", {}));
    const before = viewOf(world);
    const { steps } = await undo(world);
    assert(steps.every(({ action }) => action === "none"));
    assert.deepEqual(viewOf(world), before);
    assert.deepEqual(world.cloudRun.faults.requests, []);
  }));

Deno.test("unregister-service: others' objects of like names and labels are left", () =>
  scene(async (world) => {
    const theirs = { labels: { "mesh-cloudrun": "web" } };
    world.put("sidecars", {
      apiVersion: "networking.istio.io/v1",
      kind: "Sidecar",
      metadata: { name: "theirs", namespace: "shop", ...theirs },
    });
    cloudRunService(world, { service: "api" });
    await runCommand(world, register, ["api", "--namespace", "shop"]);
    const before = viewOf(world);
    await runCommand(world, register, SHOP);
    await undo(world);
    assert.deepEqual(viewOf(world), before);
  }));

const ROUTES: [name: string, resource: string, given: object, expected: RegExp | undefined][] = [
  ["a VirtualService of another namespace", "virtualservices", {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "edge", namespace: "default" },
    spec: { hosts: ["edge.example"], http: [{ route: [{ destination: { host: "web.shop.svc.cluster.local" } }] }] },
  }, /it is in use: VirtualService default\/edge\n.*--force/],
  ["an HTTPRoute", "httproutes", {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: { name: "edge", namespace: "shop" },
    spec: { parentRefs: [{ name: "gateway" }], rules: [{ backendRefs: [{ name: "web", port: 8080 }] }] },
  }, /it is in use: HTTPRoute shop\/edge/],
  ["a VirtualService for something else", "virtualservices", {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "edge", namespace: "default" },
    spec: { hosts: ["web"] },
  }, undefined],
];
for (const [name, resource, given, expected] of ROUTES) {
  Deno.test(`unregister-service: ${name}`, () =>
    scene(async (world) => {
      await runCommand(world, register, SHOP);
      world.put(resource, given as Record<string, unknown>);
      if (!expected) return void await undo(world);
      const before = viewOf(world);
      await assert.rejects(undo(world), expected);
      assert.deepEqual(viewOf(world), before);
      const { warnings } = await undo(world, "--force");
      assert(warnings.some((line) => line.startsWith("it is in use: ")), warnings.join("\n"));
      assert.deepEqual(made(world), []);
    }));
}

Deno.test("unregister-service: tunnels that are open, in any replica", () =>
  scene(async (world) => {
    let open = 2;
    const route = (open: number) => ({ service: "shop/web", to: `${uriOf("us-central1")}/_hbone/15003`, open });
    gatePods(world, {
      "hgate-1": () => ({ routes: [route(0), { ...route(7), service: "shop/other" }] }),
      "hgate-2": () => ({ routes: [route(open)] }),
    });
    await runCommand(world, register, SHOP);
    await assert.rejects(undo(world), /it is in use: 2 open tunnels/);
    open = 0;
    await undo(world);
    assert.deepEqual(made(world), []);
  }));

Deno.test("unregister-service: a role that another registration lives by stays, and is said", () =>
  scene(async (world) => {
    await runCommand(world, register, SHOP);
    await runCommand(world, register, ["web", "--namespace", "default"]);
    const { warnings } = await undo(world);
    assert(isInvoker(world));
    assert.match(
      warnings.join("\n"),
      /may still send requests to web in us-central1, for Service default\/web; .*\ngcloud run services remove-iam-policy-binding web /,
    );
  }));

Deno.test("unregister-service: the role can be left; a Cloud Run service that is gone is no obstacle", () =>
  scene(async (world) => {
    await runCommand(world, register, SHOP);
    await undo(world, "--no-invoker");
    assert(isInvoker(world));
    world.cloudRun.policies.forget(FULL);
    await runCommand(world, register, SHOP);
    world.cloudRun.state.services.length = 0;
    await undo(world);
    assert.deepEqual(made(world), []);
  }));

Deno.test("unregister-service: what the gate registers by itself is the gate's", () =>
  scene(async (world) => {
    const owner = { "cloud-run-mesh/owner": "Service shop/web" };
    const labels = { "mesh-cloudrun": "web", "app.kubernetes.io/managed-by": "cloud-run-mesh" };
    world.put("services", service("shop", { labels: { "mesh-cloudrun": "" } }));
    world.put("sidecars", {
      apiVersion: "networking.istio.io/v1",
      kind: "Sidecar",
      metadata: { name: "web", namespace: "shop", labels, annotations: owner },
    });
    await assert.rejects(
      undo(world),
      /the gate registers it for Service shop\/web\n.*label service web mesh-cloudrun-/,
    );
  }, { "cloud-run-mesh/auto-registration": "enabled" }));

Deno.test("unregister-service: a Service that asks the gate for registration goes back to that", () =>
  scene(async (world) => {
    world.put("services", service("shop", { labels: { "mesh-cloudrun": "" } }));
    await runCommand(world, register, SHOP);
    const { warnings } = await undo(world);
    assert.match(warnings.join("\n"), /the gate goes on to register it for Service shop\/web/);
    assert.equal(object(world, "services", "web").metadata.annotations, undefined);
    assert(made(world).includes("Sidecar web"), "the gate keeps them");
  }, { "cloud-run-mesh/auto-registration": "enabled" }));
