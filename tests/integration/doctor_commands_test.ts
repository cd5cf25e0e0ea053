/** The doctor and the commands that it sends people to: it asks for the rights that they use, and finds nothing wrong in what they made. */
import assert from "node:assert/strict";
import type { AdminCommand } from "../../cmd/admin_command.ts";
import { command as register } from "../../cmd/register_service.ts";
import { command as setup } from "../../cmd/setup_namespace.ts";
import { command as unregister } from "../../cmd/unregister_service.ts";
import { describeRight, registerRights, type Right, setupRights } from "../../lib/admin/doctor/rights.ts";
import { workloadPermissions } from "../emulators/world.ts";
import { PROJECT, REGION, runCommand } from "./admin_world.ts";
import { type DoctorWorld, startDoctorWorld } from "./doctor_world.ts";

const NAMESPACE = "fresh";
const SERVICE = "api";
const ACCOUNT = `k8s-${NAMESPACE}@${PROJECT}.iam.gserviceaccount.com`;
const REGIONS = [REGION, "europe-west1"];
/** Not asked for: without them the commands do with less, or it takes flags to need them. */
const SOMETIMES = ["serviceaccounts", "pods/proxy"];

async function run(world: DoctorWorld, command: AdminCommand, ...args: string[]): Promise<void> {
  const { steps } = await runCommand(world.admin, command, args);
  const left = steps.filter(({ state }) => state !== "done" && state !== "unchanged");
  assert.deepEqual(left, [], `${command.name} ${args.join(" ")}`);
}

Deno.test("doctor and the commands", async (t) => {
  await using world = await startDoctorWorld();
  const { admin } = world;
  addServices(world);
  const { requests } = admin.kubernetes.faults;
  const used = async (work: () => Promise<void>) => {
    requests.length = 0;
    await work();
    return [...new Set(requests.flatMap(({ permissions = [] }) => permissions))];
  };

  await t.step("the rights that it asks for are those that setup-namespace uses", async () => {
    compare(await used(() => run(world, setup, NAMESPACE)), setupRights(NAMESPACE, "default"));
    admin.kubernetes.state.permissions.push(...workloadPermissions(ACCOUNT, NAMESPACE)); // by Role and RoleBinding
  });

  const service = [SERVICE, "--namespace", NAMESPACE];
  await t.step("and those that register-service and unregister-service use", async () => {
    const both = await used(async () => {
      await run(world, register, ...service);
      await run(world, unregister, ...service);
    });
    // Whether others live by it, unregister-service asks everywhere where it may.
    compare(both.filter((right) => right.includes(" in ")), registerRights(NAMESPACE));
  });

  await t.step("what setup-namespace and register-service have made is green", async () => {
    await run(world, register, ...service);
    await assertGreen(world, REGION);
  });

  await t.step("so are several regions, each seen by its own", async () => {
    await run(world, register, ...service, ...REGIONS.flatMap((region) => ["--region", region]));
    for (const region of REGIONS) await assertGreen(world, region);
  });
});

async function assertGreen(world: DoctorWorld, region: string): Promise<void> {
  const environment = { ...world.admin.environment, REGION: region };
  const { checks } = await world.examine({ service: SERVICE, namespace: NAMESPACE, environment });
  assert.deepEqual(checks.filter(({ state }) => state !== "pass"), [], region);
}

/** The same service in two regions, as `deploy` would have made it. */
function addServices({ admin: { cloudRun: { state } } }: DoctorWorld): void {
  state.regions = REGIONS;
  for (const region of REGIONS) {
    const service = structuredClone(state.services[0]!);
    const uri = `https://${SERVICE}-${region}.a.run.app`;
    const name = `projects/${PROJECT}/locations/${region}/services/${SERVICE}`;
    Object.assign(service, { name, uri, urls: [uri] });
    service.template!.serviceAccount = ACCOUNT;
    state.services.push(service);
  }
}

function compare(used: readonly string[], rights: readonly Right[]): void {
  const asked = rights.map(({ name: _, ...right }) => describeRight(right));
  const isSometimes = (right: string) => SOMETIMES.some((resource) => right.split(" ")[1] === resource);
  assert.deepEqual(used.filter((right) => !asked.includes(right) && !isSometimes(right)), [], "used, not asked for");
  assert.deepEqual(asked.filter((right) => !used.includes(right) && !isSometimes(right)), [], "asked for, not used");
}
