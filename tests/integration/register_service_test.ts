/** `register-service` against the emulated Cloud Run and API server: what it writes, whose it leaves what is there, what it warns of. */
import assert from "node:assert/strict";
import { command as register } from "../../cmd/register_service.ts";
import { command as unregister } from "../../cmd/unregister_service.ts";
import type { KubeObject } from "../../lib/kube/mod.ts";
import { type AdminWorld, GATE_ACCOUNT, runCommand, startAdminWorld } from "./admin_world.ts";
import { viewOf } from "./admin_view.ts";
import { cloudRunService, made, object, shop, uriOf } from "./register_scene.ts";

const ROLE = "roles/run.invoker";
const GATE = `serviceAccount:${GATE_ACCOUNT}`;
const US = uriOf("us-central1");

async function scene(use: (world: AdminWorld) => Promise<void>, fields = {}): Promise<void> {
  await using world = await startAdminWorld();
  shop(world);
  cloudRunService(world, { fields });
  await use(world);
}
const run = (world: AdminWorld, ...flags: string[]) =>
  runCommand(world, register, ["web", "--namespace", "shop", ...flags]);
const undo = (world: AdminWorld, ...flags: string[]) =>
  runCommand(world, unregister, ["web", "--namespace", "shop", ...flags]);
const annotations = (world: AdminWorld, name = "web") => object(world, "services", name).metadata.annotations;
const pool = (world: AdminWorld, name = "web") =>
  (object(world, "destinationrules", name)["spec"] as { trafficPolicy: { connectionPool: unknown } }).trafficPolicy
    .connectionPool;
const specOf = <T>(given: KubeObject) => given["spec"] as T;

Deno.test("register-service: all from Cloud Run and the gate", () =>
  scene(async (world) => {
    const { next, warnings } = await run(world);
    assert.deepEqual(warnings, []);
    assert.equal(next[0], "call it from the mesh: http://web.shop:8080");
    assert.match(next[1]!, /kubectl label namespace shop cloud-run-mesh\/auto-registration=enabled$/);
    assert.deepEqual(made(world), [
      "DestinationRule web",
      "PeerAuthentication web",
      "Service web",
      "Sidecar web",
      "WorkloadEntry web-sni",
    ]);
    const full = "projects/demo-project/locations/us-central1/services/web";
    assert.deepEqual(annotations(world), {
      "cloud-run-mesh/url": US,
      "cloud-run-mesh/service": full,
      "cloud-run-mesh/registered-by": "register-service",
      "cloud-run-mesh/invoker": `${full}=${GATE}`,
    });
    assert.deepEqual(pool(world), { tcp: { maxConnectionDuration: "240s" }, http: { maxConcurrentStreams: 80 } });
    assert.equal(specOf<{ address: string }>(object(world, "workloadentries", "web-sni")).address, "10.0.0.9");
    assert(world.cloudRun.policies.of(full).has(ROLE, GATE));
  }, { template: { timeout: "300s", containers: [{ ports: [{ name: "h2c", containerPort: 15_009 }] }] } }));

Deno.test("register-service: what flags say; a later run without them follows Cloud Run again", () =>
  scene(async (world) => {
    await run(
      world,
      ...["--port", "http=80", "--port", "grpc=8079", "--max-streams", "8", "--max-connection", "90s"],
      ...["--gate-ip", "192.0.2.7", "--workload", "shop-web", "--ksa", "runner", "--audience", "shop"],
    );
    assert.deepEqual(pool(world), { tcp: { maxConnectionDuration: "90s" }, http: { maxConcurrentStreams: 8 } });
    const { ports } = specOf<{ ports: unknown[] }>(object(world, "services", "web"));
    assert.deepEqual(ports, [
      { name: "http", port: 80, protocol: "TCP", targetPort: 15_443 },
      { name: "grpc", port: 8079, protocol: "TCP", targetPort: 15_443 },
    ]);
    const entry = specOf<{ address: string; serviceAccount: string; labels: Record<string, string> }>(
      object(world, "workloadentries", "web-sni"),
    );
    assert.deepEqual([entry.address, entry.serviceAccount, entry.labels["app"]], ["192.0.2.7", "runner", "shop-web"]);
    const said = annotations(world)!;
    assert.equal(said["cloud-run-mesh/max-streams"], "8");
    assert.equal(said["cloud-run-mesh/max-connection"], "90s");
    assert.equal(said["cloud-run-mesh/gate"], "192.0.2.7");
    assert.equal(said["cloud-run-mesh/audience"], "shop");
    await run(world);
    assert.deepEqual(pool(world), { tcp: { maxConnectionDuration: "240s" }, http: { maxConcurrentStreams: 80 } });
    assert.deepEqual(
      Object.keys(annotations(world)!).filter((key) => /max-|gate|audience|workload|account/.test(key)),
      [],
    );
  }));

Deno.test("register-service: a custom domain has an audience that the service takes", () =>
  scene(async (world) => {
    const { warnings } = await run(world, "--url", "https://shop.example.com");
    const said = annotations(world)!;
    assert.deepEqual(
      [said["cloud-run-mesh/url"], said["cloud-run-mesh/keep-url"], said["cloud-run-mesh/audience"]],
      ["https://shop.example.com", "true", "api"],
    );
    assert(warnings.some((line) => line.includes("HGATE_AUDIENCES has shop.example.com=api")), warnings.join("\n"));
  }, { customAudiences: ["api"] }));

Deno.test("register-service: a person's Service gets annotations and a label, keeps all else, and is left as it was", () =>
  scene(async (world) => {
    world.put("services", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace: "shop", annotations: { theirs: "x", "cloud-run-mesh/max-streams": "5" } },
      spec: { ports: [{ name: "grpc", port: 90 }], selector: { app: "web" } },
    });
    const before = viewOf(world);
    await assert.rejects(run(world, "--port", "http=80"), /it is a person's, and has grpc=90/);
    assert.deepEqual(viewOf(world), before);
    const { next } = await run(world);
    assert.equal(next[0], "call it from the mesh: http://web.shop:90");
    const { metadata, ...rest } = object(world, "services", "web");
    assert.deepEqual(rest["spec"], { ports: [{ name: "grpc", port: 90 }], selector: { app: "web" } });
    assert.deepEqual(metadata.labels, { "mesh-cloudrun": "web" });
    assert.equal(metadata.annotations!["theirs"], "x");
    assert.deepEqual(pool(world), { tcp: { maxConnectionDuration: "240s" }, http: { maxConcurrentStreams: 5 } });
    assert.deepEqual(specOf<{ ports: unknown }>(object(world, "workloadentries", "web-sni")).ports, { grpc: 15_442 });
    await undo(world);
    assert.deepEqual(viewOf(world), before);
  }));

const THEIRS: [name: string, resource: string, kind: string, given: Record<string, unknown>, expected: RegExp][] = [
  [
    "an object of the same name",
    "destinationrules",
    "DestinationRule",
    { metadata: { name: "web", namespace: "shop" }, spec: { host: "web.shop.svc.cluster.local" } },
    /make DestinationRule shop\/web\n {2}got: there is one by some-person/,
  ],
  [
    "another URL",
    "services",
    "Service",
    {
      metadata: { name: "web", namespace: "shop", annotations: { "cloud-run-mesh/url": "https://x.a.run.app" } },
      spec: { ports: [{ name: "http", port: 80 }] },
    },
    /belongs to some-person/,
  ],
  [
    "ports without names",
    "services",
    "Service",
    { metadata: { name: "web", namespace: "shop" }, spec: { ports: [{ port: 80 }] } },
    /its ports need names/,
  ],
  [
    "what the gate registers for an entry",
    "services",
    "Service",
    {
      metadata: {
        name: "web",
        namespace: "shop",
        labels: { "app.kubernetes.io/managed-by": "cloud-run-mesh", "mesh-cloudrun": "web" },
        annotations: { "cloud-run-mesh/owner": "ConfigMap shop/cloud-run-services web" },
      },
      spec: { ports: [{ name: "http", port: 80 }] },
    },
    /the gate registers it for ConfigMap shop\/cloud-run-services web\n {2}do: take web out of it: kubectl -n shop edit configmap cloud-run-services/,
  ],
];
for (const [name, resource, kind, given, expected] of THEIRS) {
  Deno.test(`register-service: ${name} is somebody else's, who is named, and nothing is changed`, () =>
    scene(async (world) => {
      const apiVersion = kind === "Service" ? "v1" : "networking.istio.io/v1";
      world.put(resource, { apiVersion, kind, ...given }, "some-person");
      const before = viewOf(world);
      await assert.rejects(run(world), expected);
      assert.deepEqual(viewOf(world), before);
    }));
}

Deno.test("register-service: what is not there is named, with the way to it", () =>
  scene(async (world) => {
    await assert.rejects(
      runCommand(world, register, ["web", "--namespace", "none"]),
      /there is none\n {2}do: cloud-run-mesh setup-namespace none/,
    );
    await assert.rejects(run(world, "--service", "other"), /other in us-central1 .*\n.*404/);
    world.kubernetes.objects.delete("services", "istio-system", "internal-hgate");
    await assert.rejects(run(world), /there is no Service istio-system\/internal-hgate\n.*--gate-ip ADDRESS/);
    await run(world, "--gate-ip", "10.0.0.9");
  }));

Deno.test("register-service: a service that was deployed otherwise is registered, with the flags that are missing", () =>
  scene(async (world) => {
    const { warnings } = await run(world);
    assert.equal(
      warnings[0],
      "Cloud Run service web in us-central1 gets HTTP/1 on port 8080, krun takes HTTP/2 on 15009:\n" +
        "gcloud run services update web --project demo-project --region us-central1 --use-http2 --port 15009",
    );
    assert.match(warnings[1]!, /takes no requests \(ingress none\)/);
    assert.equal(made(world).length, 5);
  }, { ingress: "INGRESS_TRAFFIC_NONE", template: { containers: [{ ports: [{ containerPort: 8080 }] }] } }));

const full = (region: string) => `projects/demo-project/locations/${region}/services/web`;

Deno.test("register-service: the role is given only where it is lacking, and only what was given is remembered", async (t) => {
  const invoker = (world: AdminWorld) => annotations(world)?.["cloud-run-mesh/invoker"];
  const policy = (world: AdminWorld) => world.cloudRun.policies.of(full("us-central1"));
  await t.step("somebody gave it before", () =>
    scene(async (world) => {
      policy(world).edit((bindings) => bindings.push({ role: ROLE, members: [GATE] }));
      await run(world);
      assert.equal(invoker(world), undefined);
      await undo(world);
      assert(policy(world).has(ROLE, GATE));
    }));
  await t.step("anybody may call", () =>
    scene(async (world) => {
      policy(world).edit((bindings) => bindings.push({ role: ROLE, members: ["allUsers"] }));
      await run(world);
      assert(invoker(world) === undefined && !policy(world).has(ROLE, GATE));
    }));
  await t.step("nobody is asked who calls", () =>
    scene(async (world) => {
      await run(world);
      assert(invoker(world) === undefined && !policy(world).has(ROLE, GATE));
    }, { invokerIamDisabled: true }));
  await t.step("not wanted", () =>
    scene(async (world) => {
      await run(world, "--no-invoker");
      assert(invoker(world) === undefined && !policy(world).has(ROLE, GATE));
      assert.deepEqual(world.cloudRun.faults.seen(/IamPolicy/), []);
    }));
  await t.step("another account than before: that one's is taken back", () =>
    scene(async (world) => {
      await run(world, "--gate-account", "other@demo-project.iam.gserviceaccount.com");
      const other = "serviceAccount:other@demo-project.iam.gserviceaccount.com";
      assert(policy(world).has(ROLE, other));
      await run(world);
      assert(policy(world).has(ROLE, GATE) && !policy(world).has(ROLE, other));
      assert.equal(invoker(world), `${full("us-central1")}=${GATE}`);
    }));
  await t.step("no account is known", () =>
    scene(async (world) => {
      world.put("serviceaccounts", {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "hgate", namespace: "istio-system" },
      });
      const { warnings } = await run(world);
      assert.match(
        warnings[0]!,
        /--gate-account EMAIL, or\ngcloud run services add-iam-policy-binding web --project demo-project --region us-central1 --member serviceAccount:ACCOUNT --role roles\/run\.invoker$/,
      );
      assert.equal(made(world).length, 5);
    }));
});
