import { inDirectory } from "../../tests/temporary_directory.ts";
import assert from "node:assert/strict";
import { unwritable, writeAtomically } from "./atomic_file.ts";
import { Problem } from "./errors.ts";

const root = Deno.uid() === 0;
const modeOf = async (path: string) => (await Deno.stat(path)).mode! & 0o777;

Deno.test("a file with its mode below directories that Envoy's user can enter, whatever the umask", () =>
  inDirectory(async (directory) => {
    const umask = Deno.umask(0o077);
    try {
      await writeAtomically(`${directory}/a/b/token`, "one", { mode: 0o640 });
    } finally {
      Deno.umask(umask);
    }
    assert.equal(await Deno.readTextFile(`${directory}/a/b/token`), "one");
    assert.equal(await modeOf(`${directory}/a/b/token`), 0o640);
    assert.equal(await modeOf(`${directory}/a/b`), 0o755);
    assert.equal(await modeOf(`${directory}/a`), 0o755);
    assert.deepEqual([...Deno.readDirSync(`${directory}/a/b`)].map(({ name }) => name), ["token"]);
  }));

Deno.test("what a killed writer has left goes with the first write, and nothing else", () =>
  inDirectory(async (directory) => {
    for (const name of [".token.12-ab.tmp", ".tokens.12-ab.tmp", ".token.mine"]) {
      await Deno.writeTextFile(`${directory}/${name}`, "part");
    }
    await writeAtomically(`${directory}/token`, "one");
    const left = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assert.deepEqual(left, [".token.mine", ".tokens.12-ab.tmp", "token"]);
  }));

Deno.test("directories that exist stay as they are", () =>
  inDirectory(async (directory) => {
    await Deno.mkdir(`${directory}/mine`);
    await Deno.chmod(`${directory}/mine`, 0o700);
    await writeAtomically(`${directory}/mine/file`, "x");
    assert.equal(await modeOf(`${directory}/mine`), 0o700);
    assert.equal(await modeOf(`${directory}/mine/file`), 0o644);
  }));

Deno.test({
  name: "owner of the file and of each new directory",
  ignore: !root, // only root can give files away
  fn: () =>
    inDirectory(async (directory) => {
      await writeAtomically(`${directory}/a/token`, "one", { mode: 0o600, owner: { uid: 1337, gid: 1337 } });
      for (const path of ["a", "a/token"]) {
        const { uid, gid } = await Deno.stat(`${directory}/${path}`);
        assert.deepEqual({ uid, gid }, { uid: 1337, gid: 1337 }, path);
      }
      assert.equal((await Deno.stat(directory)).uid, 0);
    }),
});

Deno.test("a reader sees the old content or the new, never a part", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/file`;
    const contents = ["a".repeat(200_000), "b".repeat(100_000)];
    await writeAtomically(path, contents[0]!);
    let writing = true;
    const written = (async () => {
      for (let at = 1; at <= 40; at++) await writeAtomically(path, contents[at % 2]!);
      writing = false;
    })();
    while (writing) assert(contents.includes(await Deno.readTextFile(path)));
    await written;
  }));

Deno.test("a write that fails leaves the old content and no temporary file, and says what to do", () =>
  inDirectory(async (directory) => {
    await Deno.mkdir(`${directory}/taken/x`, { recursive: true });
    const failed = writeAtomically(`${directory}/taken`, "new"); // a directory cannot be replaced by a file
    await assert.rejects(failed, (error: unknown) => {
      assert(error instanceof Problem);
      assert.equal(error.tried, `write ${directory}/taken`);
      assert.equal(error.got, "Is a directory");
      assert.equal(
        error.fix,
        `make ${directory} writable for user ${Deno.uid()}, or set MESH_BASE_DIR to a directory that is`,
      );
      return true;
    });
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["taken"]);
  }));

Deno.test("a full disk is no question of rights", () => {
  const { got, fix } = unwritable("write /x/y", "/x", new Error("No space left on device (os error 28), write '/x/y'"));
  assert.equal(got, "No space left on device");
  assert.equal(fix, "make room in /x, or set MESH_BASE_DIR to a directory that has some");
});
