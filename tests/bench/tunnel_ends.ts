/** The ends that the tunnel benchmark compares, and their TCP peers: each a process of its own. */
import { filled } from "./tunnel_load.ts";

/** An end to measure. */
export interface EndKind {
  name: string;
  /** Threads of our end; connections of the load are twice as many where it is more than one. */
  threads: number;
}

/** A running end with its TCP peer. */
export interface RunningEnd extends AsyncDisposable {
  pid: number;
  port: number;
}

const START_MS = 10_000;
/** Clock ticks a second in /proc/PID/stat (proc(5)): 100 on every Linux that Deno runs on. */
const TICKS = 100;

/** `name`, or `name-2` for two threads. */
export function endKind(argument: string): EndKind {
  const [, name, threads] = /^(.*?)(?:-(\d))?$/.exec(argument)!;
  return { name: name!, threads: Number(threads ?? 1) };
}

/**
 * Starts a peer that sends `sizeBytes` when asked, and an end that leads to it. An end of one thread has one core: the first.
 *
 * `krun`, `deno-serve` and `node-http2` are those of `tunnel_end.ts`, run by `BENCH_END` where that is set (the same file compiled);
 * `other` is the command line `BENCH_OTHER_END` with `{port}` and `{target}` (`127.0.0.1:PORT`).
 */
export async function startEnd({ name, threads }: EndKind, sizeBytes: number): Promise<RunningEnd> {
  const peer = spawn([...denoRun("tunnel_peer.ts"), String(sizeBytes)]);
  const peerPort = await firstNumber(peer);
  let end: Deno.ChildProcess | undefined;
  try {
    const pinned = threads === 1 ? ["taskset", "-c", "0"] : [];
    let port: number;
    if (name === "other") {
      const command = Deno.env.get("BENCH_OTHER_END");
      if (!command) throw new Error("BENCH_OTHER_END is not set");
      port = freePort();
      end = spawn([...pinned, ...filled(command, { port: String(port), target: `127.0.0.1:${peerPort}` })]);
      await untilOpen(port);
    } else {
      const own = Deno.env.get("BENCH_END");
      const program = own ? [own] : denoRun("tunnel_end.ts");
      end = spawn([...pinned, ...program, name, String(peerPort), String(threads)]);
      port = await firstNumber(end);
    }
    return { pid: end.pid, port, [Symbol.asyncDispose]: () => kill([end!, peer]) };
  } catch (error) {
    await kill(end ? [end, peer] : [peer]);
    throw error;
  }
}

/** Seconds of processor time that a process has taken, its own and the kernel's for it, to 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * 1_024;
}

function denoRun(file: string): string[] {
  const path = new URL(file, import.meta.url).pathname;
  return [Deno.execPath(), "run", "--no-check", "--unstable-net", "--allow-all", path];
}

function spawn([program, ...args]: string[]): Deno.ChildProcess {
  // A naive end complains at length of every reset; what fails here shows in the figures.
  return new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "null" }).spawn();
}

async function firstNumber(child: Deno.ChildProcess): Promise<number> {
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  if (!value) throw new Error("it ended before it told its port");
  return Number(new TextDecoder().decode(value));
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function untilOpen(port: number): Promise<void> {
  for (const endMs = performance.now() + START_MS;;) {
    try {
      return (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function kill(children: readonly Deno.ChildProcess[]): Promise<void> {
  for (const child of children) {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
  }
  await Promise.all(children.map(async (child) => {
    await child.stdout.cancel().catch(() => {});
    await child.status;
  }));
}
