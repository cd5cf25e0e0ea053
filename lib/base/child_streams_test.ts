import assert from "node:assert/strict";
import { giveStreams } from "./child_streams.ts";
import { mayActAsOthers } from "./privilege.ts";

const OTHER = { uid: 1337, gid: 1337 };

Deno.test({
  name: "streams: a child of another user may open its output by path once it has it",
  ignore: Deno.build.os !== "linux" || !mayActAsOthers(),
  async fn() {
    const child = new Deno.Command("/bin/sh", {
      // waits for a line: then the streams are its own
      args: ["-c", "read line; echo out > /dev/stdout; echo err > /dev/stderr"],
      ...OTHER,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    giveStreams(child.pid, OTHER);
    await child.stdin.getWriter().write(new TextEncoder().encode("go\n"));
    const { stdout, stderr } = await child.output();
    assert.deepEqual([stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)), ["out\n", "err\n"]);
  },
});

Deno.test("streams: of a child that has ended nothing is given, and nothing fails", async () => {
  const child = new Deno.Command("/bin/true", { stdout: "null" }).spawn();
  await child.status;
  giveStreams(child.pid, OTHER);
});
