/** Several threads on one port; in a process of its own, since SO_REUSEPORT needs `--unstable-net`. */
import assert from "node:assert/strict";
import { TextLineStream } from "./tunnel_lines.ts";
import { App, Client, echo, pause } from "./tunnel_peers.ts";

function start(appPort: number, mode: string): { child: Deno.ChildProcess; lines: AsyncIterator<string> } {
  const program = new URL("./tunnel_workers_program.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--unstable-net",
      "--allow-net",
      "--allow-ffi",
      "--allow-read",
      program,
      String(appPort),
      mode,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: mode === "dying" ? "null" : "inherit", // Deno prints what a worker died of.
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
    [Symbol.asyncIterator]();
  return { child, lines };
}

async function next(lines: AsyncIterator<string>): Promise<string> {
  return (await lines.next()).value;
}

Deno.test("workers: connections are served while the main thread is busy, and statistics are the sum of all threads", async () => {
  await using app = new App();
  const serving = app.serve(echo);
  const { child, lines } = start(app.port, "busy");
  const port = Number(await next(lines));
  const clients = Array.from({ length: 24 }, () => new Client(port));
  const tunnels = clients.map((client) => client.tunnel());
  let answered = 0;
  for (const tunnel of tunnels) tunnel.status.then(() => answered++, () => {});
  await pause(1_000);
  // Each connection goes to one of two threads by its hash: 24 of 24 to the same has the odds of 1 to 8 million.
  assert.ok(answered > 0 && answered < 24, `${answered} of 24 answered while the main thread slept`);
  for (const tunnel of tunnels) assert.equal(await tunnel.status, 200);
  const stdin = child.stdin.getWriter();
  await stdin.write(new Uint8Array(1));
  const stats = JSON.parse(await next(lines));
  assert.deepEqual([stats.tunnelsOpen, stats.tunnelsTotal], [24, 24]);
  assert.equal(await next(lines), "disposed");
  await stdin.close();
  for (const client of clients) await client[Symbol.asyncDispose]();
  await lines.return?.();
  assert.equal((await child.status).code, 0);
  await app[Symbol.asyncDispose]();
  await serving;
});

Deno.test("workers: when one dies, the end as a whole fails with its reason", async () => {
  const { child, lines } = start(1, "dying");
  const port = Number(await next(lines));
  assert.match(await next(lines), new RegExp(`serve tunnels on port ${port}`));
  assert.match(await next(lines), /a thread died: .*worker broke/);
  await child.stdin.close();
  await lines.return?.();
  assert.equal((await child.status).code, 0);
});
