/** What somebody else does to a service while `add-service` and `remove-service` are at it, and what these refuse. */
import assert from "node:assert/strict";
import { command as add } from "../../cmd/add_service.ts";
import { command as remove } from "../../cmd/remove_service.ts";
import { Problem } from "../../lib/base/errors.ts";
import type { RunTemplateResource } from "../emulators/cloud_run_types.ts";
import { hooked } from "./admin_requests.ts";
import { type AdminWorld, runCommand, startAdminWorld } from "./admin_world.ts";
import { GOLDEN, WEB, webNow, webService } from "./run_scene.ts";

const ADD = ["web", "--krun-image", GOLDEN, "--no-verify"];
const REMOVE = ["web", "--namespace", "shop"];

async function inWorld(test: (world: AdminWorld) => Promise<void>): Promise<void> {
  await using world = await startAdminWorld();
  await webService(world);
  await test(world);
}

const isChange = (method: string, url: string) =>
  method === "PATCH" && url.includes(`/v2/${WEB}`) && !url.includes("validateOnly");
const imageOf = ({ template }: { template?: RunTemplateResource }, name: string) =>
  template!.containers!.find((container) => container.name === name)!.image;

/** As gcloud run services update --image would. */
function otherImage(world: AdminWorld, image: string): void {
  world.cloudRun.touch(
    WEB,
    ({ template }) => template!.containers!.find(({ name }) => name === "web-1")!.image = image,
  );
}

Deno.test("add-service: an image that somebody else deploys meanwhile is not overwritten, and said; again it is taken along", () =>
  inWorld(async (world) => {
    const { fetch } = hooked(world, {
      before: ({ method, url }) => isChange(method, url) ? otherImage(world, "other:1") : undefined,
    });
    const outcome = await runCommand(world, add, ADD, { fetch });
    const failed = outcome.steps.find(({ state }) => state === "failed")!;
    assert.match(failed.detail!, /got: somebody else changed it meanwhile: 409 ABORTED: Conflict for resource 'web'/);
    assert.equal(imageOf(webNow(world), "web-1"), "other:1");
    assert.equal(webNow(world).template!.containers!.length, 1, "nothing was done");
    await runCommand(world, add, ADD);
    assert.equal(imageOf(webNow(world), "web-1"), "other:1");
    assert.equal(imageOf(webNow(world), "krun"), GOLDEN);
  }));

Deno.test("remove-service: what was deployed since add-service is not lost without a word", () =>
  inWorld(async (world) => {
    const before = structuredClone(webNow(world));
    await runCommand(world, add, ADD);
    const { template } = structuredClone(webNow(world));
    template!.containers!.find(({ name }) => name === "web-1")!.image = "newer:1";
    await world.cloudRun.edit(WEB, { template: template! });
    await assert.rejects(
      runCommand(world, remove, REMOVE),
      (error: Error) =>
        error instanceof Problem &&
        /changed since add-service: containers\.web-1\.image\n {2}do: --force/.test(error.message),
    );
    assert.equal(imageOf(webNow(world), "web-1"), "newer:1");
    // The same again keeps what was deployed, too.
    await runCommand(world, add, ADD);
    assert.equal(imageOf(webNow(world), "web-1"), "newer:1");
    await runCommand(world, remove, [...REMOVE, "--force"]);
    assert.deepEqual(webNow(world).template, before.template);
  }));

Deno.test("remove-service: without the former revision it says so; a service that is not in the mesh is left alone", () =>
  inWorld(async (world) => {
    const untouched = structuredClone(webNow(world));
    const outcome = await runCommand(world, remove, REMOVE);
    assert.deepEqual(outcome.steps.filter(({ action }) => action !== "none" && action !== "check"), []);
    assert.deepEqual(webNow(world), untouched);
    await runCommand(world, add, ADD);
    const { state } = world.cloudRun;
    state.revisions = state.revisions.filter(({ name }) => !name.includes("web-00001"));
    await assert.rejects(runCommand(world, remove, REMOVE), /its revision web-00001-\w+ is gone/);
  }));

const REFUSED: [name: string, args: string[], fields: object, got: RegExp][] = [
  [
    "no such service",
    ["shop-front", "--krun-image", GOLDEN],
    {},
    /find Cloud Run service shop-front .*\n {2}got: there is none\n {2}do: check/,
  ],
  ["no image of krun", ["web"], {}, /no image of krun\n {2}do: --krun-image/],
  [
    "nothing that says the namespace",
    ADD,
    { template: { containers: [{ image: "x" }] } },
    /names none\n {2}do: --namespace/,
  ],
  ["a name that is none", ["Web", ...ADD.slice(1)], {}, /got: "Web"/],
  [
    "iptables in the first generation",
    [...ADD, "--capture", "required", "--namespace", "shop"],
    { template: { executionEnvironment: "EXECUTION_ENVIRONMENT_GEN1", containers: [{ image: "x" }] } },
    /first generation, which has no iptables/,
  ],
  ["a connector and a network", [...ADD, "--vpc-connector", "c", "--network", "n"], {}, /a connector and a network/],
  ["a tag of another's", [...ADD, "--tag", "blue"], {
    traffic: [{ type: "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", percent: 100, tag: "blue" }],
  }, /its tag blue leads to a revision of its own/],
  ["a variable of Cloud Run's", [...ADD, "--env", "PORT=1"], {}, /Cloud Run sets it by itself/],
];

for (const [name, args, fields, got] of REFUSED) {
  Deno.test(`add-service refuses: ${name}, before anything is done`, async () => {
    await using world = await startAdminWorld();
    await webService(world, fields);
    const before = structuredClone(webNow(world));
    const ran = async () => await runCommand(world, add, args);
    await assert.rejects(ran, (error: Error) => got.test(error.message) || assert.fail(error.message));
    assert.deepEqual(webNow(world), before);
  });
}

Deno.test("add-service warns of what will keep it from working", async () => {
  await using world = await startAdminWorld();
  await webService(world, {
    template: {
      serviceAccount: "web@demo-project.iam.gserviceaccount.com",
      containers: [{ image: "x", ports: [{ name: "h2c", containerPort: 8080 }] }],
    },
  });
  const { warnings } = await runCommand(world, add, [...ADD, "--namespace", "shop"], { isDryRun: true });
  for (const word of [/no way into the VPC/, /setup-namespace shop --service-account web@/, /gets HTTP\/2 now/]) {
    assert(warnings.some((warning) => word.test(warning)), `${word} of ${warnings.join("\n")}`);
  }
  assert(!warnings.some((warning) => /krun takes HTTP\/2 on 15009/.test(warning)), "it is about to");
});
