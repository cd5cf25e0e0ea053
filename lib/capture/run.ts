import { signalQuietly } from "../base/child.ts";

/** What a program said. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end with `input` on its standard input; undefined where it is not installed. */
export type Run = (program: string, args: readonly string[], input?: string) => Promise<Output | undefined>;

/** Where distributions put iptables; a user's PATH may be without them. */
const PLACES = ["", "/usr/sbin/", "/sbin/"];

/** iptables holds its lock for milliseconds and is told to wait 5 s for it: more is a program that hangs. */
const LIMIT_MS = 15_000;

/** Runs programs of this machine, found in PATH or where iptables usually is. */
export const runHere: Run = async (program, args, input = "") => {
  for (const place of PLACES) {
    const output = await runAt(`${place}${program}`, args, input);
    if (output) return output;
  }
  return undefined;
};

async function runAt(path: string, args: readonly string[], input: string): Promise<Output | undefined> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(path, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      // Messages in English: reasons are read from them.
      env: { LC_ALL: "C" },
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
  const timer = setTimeout(() => signalQuietly(child, "SIGKILL"), LIMIT_MS);
  try {
    const [{ code, stdout, stderr }] = await Promise.all([collect(child), write(child, input)]);
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

async function collect(child: Deno.ChildProcess): Promise<Output> {
  const [{ code }, stdout, stderr] = await Promise.all([child.status, child.stdout.text(), child.stderr.text()]);
  return { code, stdout, stderr };
}

/** One that ends without reading its input says why by itself. */
async function write(child: Deno.ChildProcess, input: string): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch { /* it has ended */ }
}
