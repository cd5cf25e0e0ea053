import assert from "node:assert/strict";
import { inDirectory } from "../../tests/temporary_directory.ts";
import { endLeftBehind, noteSpawn } from "./left_behind.ts";
import { withDescendants } from "./process_tree.ts";

const linux = Deno.build.os === "linux";

/** A program that notes a child in `directory`, says its id, and is killed. @returns the child's id */
async function killedParent(
  directory: string,
  script: string,
  said: "started" | "nothing" = "started",
): Promise<number> {
  const module = new URL("./left_behind.ts", import.meta.url).href;
  const program = `import { noteSpawn } from ${JSON.stringify(module)};
    const args = ["-c", ${JSON.stringify(script)}];
    const note = noteSpawn(${JSON.stringify(directory)}, ["sh", ...args]);
    const child = new Deno.Command("sh", { args, detached: true, stdout: "null" }).spawn();
    if (${said === "started"}) note.started(child.pid);
    Deno.stdout.writeSync(new TextEncoder().encode(String(child.pid)));
    await child.status;`;
  const parent = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", program],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const { value } = await parent.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
  parent.kill("SIGKILL");
  await parent.status;
  return Number(value);
}

Deno.test({
  name: "left behind: children of a killed parent are ended with all that descends from them, once",
  ignore: !linux,
  fn: () =>
    inDirectory(async (directory) => {
      const child = await killedParent(directory, "sleep 60 & sleep 61; true");
      const all = [...await withDescendants([child])];
      assert.equal(all.length, 3, "the shell and what it started");
      assert.deepEqual((await endLeftBehind(directory)).sort(), all.sort());
      assert.deepEqual(await endLeftBehind(directory), []);
      assert.deepEqual([...Deno.readDirSync(directory)], []);
    }),
});

Deno.test({
  name: "left behind: a child is ended whose parent was killed before it knew its id",
  ignore: !linux,
  fn: () =>
    inDirectory(async (directory) => {
      const child = await killedParent(directory, "sleep 62; true", "nothing");
      assert.ok((await endLeftBehind(directory)).includes(child));
    }),
});

Deno.test({
  name: "left behind: what a dead child has left in its session is ended too",
  ignore: !linux,
  fn: () =>
    inDirectory(async (directory) => {
      const child = await killedParent(directory, "sleep 60 & wait");
      let left: number | undefined;
      while (left === undefined) { // until the shell has started it
        left = [...await withDescendants([child])].find((pid) => pid !== child);
      }
      Deno.kill(child, "SIGKILL");
      assert.ok((await endLeftBehind(directory)).includes(left));
    }),
});

Deno.test({
  name: "left behind: children of a living parent, and ids that came again, are left alone",
  ignore: !linux,
  fn: () =>
    inDirectory(async (directory) => {
      const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
      try {
        using note = noteSpawn(directory, ["sleep", "60"]);
        note.started(child.pid);
        assert.equal([...Deno.readDirSync(directory)].length, 1);
        assert.deepEqual(await endLeftBehind(directory), []);
        // a note of another parent, for a process of this id that was started at another time
        await Deno.writeTextFile(`${directory}/4194305.1-${child.pid}.1`, "");
        // and one that another has just begun to start, with the same words
        await Deno.writeTextFile(`${directory}/4194305.1-spawn.1`, "sleep\0" + "60");
        await Deno.writeTextFile(`${directory}/no note`, "");
        assert.deepEqual(await endLeftBehind(directory), []);
      } finally {
        child.kill("SIGKILL");
        await child.status;
      }
      assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["no note"]);
    }),
});

Deno.test("left behind: a directory that cannot be made costs nothing", async () => {
  const note = noteSpawn("/proc/nowhere", ["sh"]);
  note.started(Deno.pid);
  note[Symbol.dispose]();
  assert.deepEqual(await endLeftBehind("/proc/nowhere"), []);
});
