/** What the doctor asks the cluster for, for a command, is what the command then does. */
import assert from "node:assert/strict";
import type { AdminCommand } from "../../cmd/admin_command.ts";
import { command as register } from "../../cmd/register_service.ts";
import { command as setup } from "../../cmd/setup_namespace.ts";
import { command as unregister } from "../../cmd/unregister_service.ts";
import { describeRight, registerRights, type Right, setupRights } from "../../lib/admin/doctor/rights.ts";
import { runCommand } from "./admin_world.ts";
import { startDoctorWorld } from "./doctor_world.ts";

const NAMESPACE = "fresh";

/** Every reader's, and of what only some calls of the command need. */
const SOMETIMES = ["serviceaccounts", "pods/proxy"];

Deno.test("doctor: the rights of setup-namespace and register-service are those that they use", async () => {
  await using world = await startDoctorWorld();
  const { requests } = world.admin.kubernetes.faults;
  const used = async (...commands: [AdminCommand, ...string[]][]) => {
    requests.length = 0;
    for (const [command, ...args] of commands) {
      const { steps } = await runCommand(world.admin, command, args);
      assert(steps.every(({ state }) => state === "done" || state === "unchanged"), command.name);
    }
    return [...new Set(requests.flatMap(({ permissions = [] }) => permissions))];
  };
  const asked = (rights: readonly Right[]) => rights.map(({ name: _, ...right }) => describeRight(right));
  const compare = (used: readonly string[], asked: readonly string[]) => {
    const isSometimes = (right: string) => SOMETIMES.some((resource) => right.split(" ")[1] === resource);
    assert.deepEqual(used.filter((right) => !asked.includes(right) && !isSometimes(right)), [], "used, not asked for");
    assert.deepEqual(asked.filter((right) => !used.includes(right) && !isSometimes(right)), [], "asked for, not used");
  };
  compare(await used([setup, NAMESPACE]), asked(setupRights(NAMESPACE, "default")));
  const service = ["web", "--namespace", NAMESPACE];
  const both = await used([register, ...service], [unregister, ...service]);
  // Of what others may use too, unregister-service asks everywhere where it may, and does without.
  compare(both.filter((right) => right.includes(" in ")), asked(registerRights(NAMESPACE)));
});
