/** A tunnel end of two threads in a process of its own. Arguments: the app's port, then `busy` or `dying`. */
import { serveKrunTunnel } from "../../lib/tunnel/krun.ts";

const [appPort, mode] = [Number(Deno.args[0]), Deno.args[1]];
const DYING = `self.onmessage = ({ data }) => {
  self.postMessage({ id: data.id });
  setTimeout(() => { throw new Error("worker broke"); }, 50);
};`;
const workerUrl = mode === "dying" ? new URL(`data:text/javascript,${encodeURIComponent(DYING)}`) : undefined;
const end = await serveKrunTunnel(
  { port: 0, hostname: "127.0.0.1", routes: new Map([["app", appPort]]), appPort, workers: 2 },
  workerUrl,
);
print(`${end.port}`);
if (mode === "dying") {
  await end.ended.catch((error) => print(error.message));
} else {
  // The main thread serves nothing for a while: what is answered now, the worker answers.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  await Deno.stdin.read(new Uint8Array(1));
  print(JSON.stringify(await end.stats()));
  await end[Symbol.asyncDispose]();
  await end.ended;
  print("disposed");
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
