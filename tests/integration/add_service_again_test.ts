/** `add-service` and `remove-service` of what is registered already: by a former run, as a person's Service, for another region. */
import assert from "node:assert/strict";
import { command as add } from "../../cmd/add_service.ts";
import { command as register } from "../../cmd/register_service.ts";
import { command as remove } from "../../cmd/remove_service.ts";
import { Problem } from "../../lib/base/errors.ts";
import { type AdminWorld, REGION, runCommand, startAdminWorld } from "./admin_world.ts";
import { cloudRunService, object } from "./register_scene.ts";
import { GOLDEN, webNow, webService } from "./run_scene.ts";

const ADD = ["web", "--krun-image", GOLDEN, "--no-verify"];
const REMOVE = ["web", "--namespace", "shop"];
const FULL = (region: string) => `projects/demo-project/locations/${region}/services/web`;

async function inWorld(test: (world: AdminWorld) => Promise<void>): Promise<void> {
  await using world = await startAdminWorld();
  await webService(world);
  await test(world);
}

const changesOf = ({ steps }: Awaited<ReturnType<typeof runCommand>>) =>
  steps.filter(({ action }) => action !== "none" && action !== "check").map(({ subject }) => subject);
const spec = (world: AdminWorld, resource: string, name = "web") =>
  object(world, resource, name)["spec"] as Record<string, unknown>;
const registeredFor = (world: AdminWorld) =>
  object(world, "services", "web").metadata.annotations?.["cloud-run-mesh/service"];

Deno.test("add-service: a newer krun changes nothing of what former runs were told of the registration", () =>
  inWorld(async (world) => {
    await runCommand(world, add, [...ADD, "--port", "http=80", "--gate-ip", "10.9.9.9"]);
    await runCommand(world, register, [
      ...["web", "--namespace", "shop", "--port", "http=80", "--port", "grpc=8079", "--gate-ip", "10.9.9.9"],
      ...["--max-streams", "7", "--max-connection", "33s", "--url", "https://shop.example.com", "--ksa", "robot"],
    ]);
    const before = structuredClone(["services", "destinationrules"].map((resource) => object(world, resource, "web")));
    const newer = await runCommand(world, add, ["web", "--krun-image", "golden:2", "--no-verify"]);
    assert.deepEqual(changesOf(newer), [
      "Cloud Run service web in us-central1: a revision with krun, without requests",
      "Cloud Run service web in us-central1: requests to the new revision",
    ]);
    assert.deepEqual(["services", "destinationrules"].map((resource) => object(world, resource, "web")), before);
    const other = await runCommand(world, add, [...ADD, "--port", "http=81"]);
    assert(changesOf(other).includes("Service shop/web"), "a flag is a wish");
  }));

Deno.test("add-service: the plan shows where requests are to go, as it will be then", () =>
  inWorld(async (world) => {
    const { steps } = await runCommand(world, add, ADD, { isDryRun: true });
    const { differences } = steps.find(({ subject }) => subject.endsWith("requests to the new revision"))!;
    assert.deepEqual(differences, [
      {
        path: "traffic[0].type",
        from: "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        to: "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST",
      },
      { path: "traffic[0].revision", from: webNow(world).latestReadyRevision!.split("/").at(-1) },
    ]);
  }));

Deno.test("add-service: a person's Service is asked on its own port", () =>
  inWorld(async (world) => {
    world.put("services", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace: "shop" },
      spec: { ports: [{ name: "tcp-db", port: 5432 }, { name: "http", port: 80 }] },
    });
    world.environment["GOOGLE_APPLICATION_CREDENTIALS"] = "";
    await world.cloudRun.edit(FULL(REGION), { invokerIamDisabled: true });
    const { steps } = await runCommand(world, add, ["web", "--krun-image", GOLDEN], { isDryRun: true });
    assert.equal(steps.at(-1)!.subject, "request from a pod in shop to http://web.shop:80/");
  }));

Deno.test("add-service and remove-service: a registration that leads to another region is not turned to this one, nor taken from it", () =>
  inWorld(async (world) => {
    cloudRunService(world, { region: "europe-west1" });
    const h2 = { template: { containers: [{ ports: [{ name: "h2c", containerPort: 15_009 }] }] } };
    world.cloudRun.state.services.find(({ name }) => name === FULL("europe-west1"))!.template = h2.template;
    await runCommand(world, register, ["web", "--namespace", "shop", "--region", "europe-west1"]);
    const first = await runCommand(world, add, ADD);
    assert.match(
      first.warnings.join(),
      /Service shop\/web is registered for europe-west1, and stays so; for all of them:/,
    );
    assert.equal(registeredFor(world), FULL("europe-west1"));
    assert(webNow(world).template!.containers!.some(({ name }) => name === "krun"));

    const both = /cloud-run-mesh register-service (web .*--region us-central1)/.exec(first.warnings.join())![1]!;
    await runCommand(world, register, both.split(" "));
    const again = await runCommand(world, add, ["web", "--krun-image", "golden:2", "--no-verify"]);
    assert.match(again.warnings.join(), /is registered for europe-west1 and us-central1, and stays so/);
    assert.equal((spec(world, "virtualservices")["http"] as { route: unknown[] }[])[0]!.route.length, 2);

    const refused =
      /web is registered for europe-west1 too.*\n.*register-service web --namespace shop --region europe-west1, then/;
    await assert.rejects(
      runCommand(world, remove, REMOVE),
      (error: Error) => error instanceof Problem && refused.test(error.message),
    );
    await runCommand(world, register, ["web", "--namespace", "shop", "--region", "europe-west1"]);
    const { warnings } = await runCommand(world, remove, [...REMOVE, "--force"]);
    assert.match(warnings.join(), /shop\/web stays registered for europe-west1/);
    assert.equal(registeredFor(world), FULL("europe-west1"));
    assert.deepEqual(webNow(world).template!.containers!.map(({ name }) => name), ["web-1"]);
  }));

Deno.test("remove-service, unregister-service: what is not there is said, and is no failure", () =>
  inWorld(async (world) => {
    const { warnings, steps } = await runCommand(world, remove, [...REMOVE, "--region", "europe-west1"]);
    assert.deepEqual([warnings, steps], [[
      "there is no Cloud Run service web in europe-west1 of project demo-project",
      "nothing is registered as web in namespace shop",
    ], []]);
  }));
