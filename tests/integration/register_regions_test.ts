/** Several regions under one name: `register-service --region A=3 --region B=1`. */
import assert from "node:assert/strict";
import { command as register } from "../../cmd/register_service.ts";
import { command as unregister } from "../../cmd/unregister_service.ts";
import { type AdminWorld, GATE_ACCOUNT, runCommand, startAdminWorld } from "./admin_world.ts";
import { viewOf } from "./admin_view.ts";
import { cloudRunService, made, object, shop, uriOf } from "./register_scene.ts";

const [US, EU] = ["us-central1", "europe-west1"];
const ONE = ["DestinationRule web", "PeerAuthentication web", "Service web", "Sidecar web", "WorkloadEntry web-sni"];
const regional = (region: string) => [
  `DestinationRule web-${region}`,
  `Service web-${region}`,
  `WorkloadEntry web-${region}-sni`,
];

async function scene(use: (world: AdminWorld) => Promise<void>): Promise<void> {
  await using world = await startAdminWorld();
  shop(world);
  cloudRunService(world);
  cloudRunService(world, {
    region: EU,
    fields: { template: { timeout: "60s", maxInstanceRequestConcurrency: 5, containers: h2c } },
  });
  await use(world);
}
const h2c = [{ ports: [{ name: "h2c", containerPort: 15_009 }] }];
const run = (world: AdminWorld, ...flags: string[]) =>
  runCommand(world, register, ["web", "--namespace", "shop", ...flags]);
const weights = (world: AdminWorld) =>
  (object(world, "virtualservices", "web")["spec"] as { http: { route: { weight: number }[] }[] }).http[0]!.route
    .map(({ weight }) => weight);
const isInvoker = ({ cloudRun }: AdminWorld, region: string) =>
  cloudRun.policies.of(`projects/demo-project/locations/${region}/services/web`)
    .has("roles/run.invoker", `serviceAccount:${GATE_ACCOUNT}`);

Deno.test("register-service: each region is a Service of its own, and a VirtualService shares requests out", () =>
  scene(async (world) => {
    await run(world, "--region", `${US}=75`, "--region", `${EU}=25`);
    assert.deepEqual(made(world), [...ONE, ...regional(US), ...regional(EU), "VirtualService web"].sort());
    assert.deepEqual(weights(world), [75, 25]);
    const url = (name: string) => object(world, "services", name).metadata.annotations!["cloud-run-mesh/url"];
    assert.deepEqual(
      [url("web"), url(`web-${US}`), url(`web-${EU}`)],
      [uriOf(US), uriOf(US), uriOf(EU)],
    );
    const rule = object(world, "destinationrules", `web-${EU}`)["spec"] as {
      trafficPolicy: { connectionPool: unknown };
    };
    assert.deepEqual(rule.trafficPolicy.connectionPool, {
      tcp: { maxConnectionDuration: "48s" },
      http: { maxConcurrentStreams: 5 },
    });
    const entry = object(world, "workloadentries", `web-${EU}-sni`)["spec"] as { labels: Record<string, string> };
    assert.deepEqual(entry.labels, {
      app: "web",
      "mesh-cloudrun": `web-${EU}`,
      "service.istio.io/canonical-name": "web",
    });
    assert(isInvoker(world, US) && isInvoker(world, EU));
    await run(world, "--region", `${US}=10`, "--region", `${EU}=90`);
    assert.deepEqual(weights(world), [10, 90]);
  }));

Deno.test("register-service: a region that is left out goes, with the role that it was given; the last takes the split along", () =>
  scene(async (world) => {
    await run(world, "--region", EU);
    const before = viewOf(world);
    await run(world, "--region", `${EU},${US}`);
    assert(isInvoker(world, US));
    await run(world, "--region", EU);
    assert.deepEqual(viewOf(world), before);
    assert.deepEqual(made(world), ONE);
    assert(!isInvoker(world, US) && isInvoker(world, EU));
  }));

Deno.test("register-service: HTTPRoutes in place of a VirtualService, and back", () =>
  scene(async (world) => {
    await run(world, "--region", `${US},${EU}`, "--http-route", "--port", "http=80", "--port", "grpc=90");
    const routes = made(world).filter((name) => /Route|Virtual/.test(name));
    assert.deepEqual(routes, ["HTTPRoute web-grpc", "HTTPRoute web-http"]);
    await run(world, "--region", `${US},${EU}`);
    assert.deepEqual(made(world).filter((name) => /Route|Virtual/.test(name)), ["VirtualService web"]);
    await assert.rejects(run(world, "--http-route"), /--http-route for one region/);
    world.kubernetes.state.missingKinds.add("httproutes.gateway.networking.k8s.io");
    await assert.rejects(run(world, "--region", `${US},${EU}`, "--http-route"), /HTTPRoute/);
  }));

Deno.test("register-service: a region's Service that is registered by itself is not taken over, nor is a region taken for a service", () =>
  scene(async (world) => {
    await runCommand(world, register, [`web-${EU}`, "--namespace", "shop", "--service", "web", "--region", EU!]);
    const before = viewOf(world);
    await assert.rejects(run(world, "--region", `${US},${EU}`), /it is part of the registration web-europe-west1/);
    assert.deepEqual(viewOf(world), before);
    await runCommand(world, unregister, [`web-${EU}`, "--namespace", "shop"]);
    await run(world, "--region", `${US},${EU}`);
    const whole = [`web-${EU}`, "--namespace", "shop"];
    await assert.rejects(
      runCommand(world, register, [...whole, "--service", "web", "--region", EU!]),
      /one region of web/,
    );
    await assert.rejects(
      runCommand(world, unregister, whole),
      /one region of web\n.*unregister-service web --namespace shop/,
    );
  }));

const WRONG: [flags: string[], expected: RegExp][] = [
  [["--region", `${US}=1`, "--region", EU!], /a weight for some regions/],
  [["--region", `${US},${EU}`, "--url", "https://x.example"], /for 2 regions/],
  [["--region", `${US},${EU}`, "--http-route", "--port", "tcp=80"], /port tcp, which is not HTTP/],
  [["--port", "http"], /"http"/],
  [["--port", "http=80", "--port", "http=81"], /http=80 and http=81/],
  [["--gate-ip", "gate.example"], /--gate-ip gate\.example/],
  [["--gate-account", "hgate"], /--gate-account/],
  [["--max-streams", "0"], /--max-streams is "0"/],
  [["--namespace", "Shop"], /namespace "Shop"/],
];
Deno.test("register-service: wrong use is told before anything is asked for", async (t) => {
  for (const [flags, expected] of WRONG) {
    await t.step(flags.join(" "), () =>
      scene(async (world) => {
        const before = viewOf(world);
        await assert.rejects(run(world, ...flags), (error: Error) =>
          error.name === "UsageError" && expected.test(error.message));
        assert.deepEqual(viewOf(world), before);
      }));
  }
});
