/** An administrator's command at a terminal: it asks, shows what it waits for, and tells how far it came when it is interrupted. */
import assert from "node:assert/strict";
import { command as setup } from "../../cmd/setup_namespace.ts";
import { type AdminWorld, runCommand, startAdminWorld } from "./admin_world.ts";
import { denoDirectory, krunCommand } from "./krun_process.ts";
import { hasTerminal, openTerminal } from "./terminal.ts";

const start = ({ environment }: AdminWorld, command: string, ...args: string[]) =>
  openTerminal(
    krunCommand(args, command),
    { ...environment, DENO_DIR: denoDirectory(), DENO_NO_UPDATE_CHECK: "1" },
    "xterm",
  );

/** It begins, and has no end. */
const HANGS = { match: /^PATCH .*\/roles\/.*force=false$/, times: 1, action: "hang" } as const;

Deno.test({
  name:
    "at a terminal: no is no, yes is done; ^C in the middle says what was done and what was not, and again completes it",
  ignore: !hasTerminal,
  async fn() {
    await using world = await startAdminWorld();
    await using no = start(world, "setup-namespace", "shop");
    await no.shows(/looking at what is there/);
    await no.shows(/Make these 9 changes\? \[y\/N\]/);
    await no.type("n\n");
    await no.shows(/nothing was changed/);
    assert.equal(await no.ended, 1);

    world.kubernetes.faults.add(HANGS);
    await using cut = start(world, "setup-namespace", "shop");
    await cut.shows(/Make these 9 changes\? \[y\/N\]/);
    await cut.type("y\n");
    await cut.shows(/created Google service account/);
    await cut.shows(/⠙\S* Role shop\/gsa-demo-project/); // its second picture: it turns
    await cut.type("\x03");
    await cut.shows(/failed\S*: Role shop\/gsa-demo-project\r\n {2}interrupted: ended by SIGINT/);
    await cut.shows(
      /done before that:\r\n {2}Namespace shop\r\n[^]*not done:\r\n {2}RoleBinding shop\/gsa-demo-project/,
    );
    assert.equal(await cut.ended, 130);
    const { steps } = await runCommand(world, setup, ["shop"]);
    assert.equal(steps.filter(({ state }) => state === "unchanged").length, 3);
  },
});

Deno.test({
  name: "at a terminal: ^C while it looks, or when it asks, has changed nothing, and says so",
  ignore: !hasTerminal,
  async fn() {
    await using world = await startAdminWorld();
    world.kubernetes.faults.add({ match: /./, times: 1, action: "hang" });
    await using early = start(world, "setup-namespace", "shop");
    await early.shows(/looking at what is there/);
    await early.type("\x03");
    await early.shows(/interrupted: nothing was changed/);
    assert.equal(await early.ended, 130);

    await using asked = start(world, "setup-namespace", "shop");
    await asked.shows(/Make these 9 changes\? \[y\/N\] /);
    await asked.type("\x03");
    await asked.shows(/interrupted: nothing was changed/);
    assert.equal(await asked.ended, 130);
  },
});
