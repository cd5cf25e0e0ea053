import assert from "node:assert/strict";
import { spawnWithStreamsOf } from "./child_streams.ts";
import { mayActAsOthers } from "./privilege.ts";

const OTHER = { uid: 1337, gid: 1337 };

Deno.test({
  name: "streams: a child of another user may open its output by path",
  ignore: Deno.build.os !== "linux" || !mayActAsOthers(),
  async fn() {
    // waits for a line: then the streams are its own
    const args = ["-c", "read line; echo out > /dev/stdout; echo err > /dev/stderr"];
    const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    const command = new Deno.Command("/bin/sh", { args, ...OTHER, ...piped, cwd: "/" }); // where it may be
    const child = spawnWithStreamsOf(OTHER, () => command.spawn());
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("go\n"));
    await writer.close();
    const { stdout, stderr } = await child.output();
    assert.deepEqual([stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)), ["out\n", "err\n"]);
  },
});

Deno.test("streams: what cannot be spawned fails as it would have", () => {
  const command = new Deno.Command("/no/such/program");
  assert.throws(() => spawnWithStreamsOf(OTHER, () => command.spawn()), Deno.errors.NotFound);
});
