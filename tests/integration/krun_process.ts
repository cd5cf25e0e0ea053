/** krun as a child process, as a container would run it, pointed at the emulators. */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");

/** The sources and Deno itself may be below root's home: another user may reach them so, and write nothing more than it may. */
const READ_ONLY = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"];

/** How long a test waits for a line before it fails with what was said instead. */
const PATIENCE_MS = 15_000;

export interface KrunEnd {
  code: number;
  stdout: string;
  stderr: string;
}

export interface KrunProcess extends AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<KrunEnd>;
  kill(signal: Deno.Signal): void;
  /** Resolves when standard error (or output) so far matches. */
  said(pattern: RegExp, stream?: "stdout" | "stderr"): Promise<void>;
  /** What it has written so far. */
  soFar(stream: "stdout" | "stderr"): string;
}

export interface KrunOptions {
  environment: Readonly<Record<string, string>>;
  cwd?: string;
  stdin?: string;
  /** Run as this user; only root can. */
  uid?: number;
  /** @default "krun" */
  command?: string;
  /** Program and arguments that run krun in turn, e.g. `unshare`. */
  within?: readonly string[];
}

/** Program and arguments of `krun ARGS`, or of another command. */
export function krunCommand(args: readonly string[], command = "krun"): string[] {
  return [Deno.execPath(), "run", "--quiet", "-A", `${ROOT}/cmd/main.ts`, command, ...args];
}

/** Starts `krun ARGS` with nothing in its environment but PATH and what is given. */
export function startKrun(args: readonly string[], options: KrunOptions): KrunProcess {
  const program = krunCommand(args, options.command);
  const asUser = options.uid === undefined
    ? []
    : ["setpriv", `--reuid=${options.uid}`, `--regid=${options.uid}`, "--clear-groups", ...READ_ONLY];

  const [command, ...rest] = [...options.within ?? [], ...asUser, ...program] as [string, ...string[]];
  const child = new Deno.Command(command, {
    args: rest,
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      DENO_DIR: denoDirectory(),
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
      HOME: "/nonexistent",
      ...options.environment,
    },
    ...(options.cwd ? { cwd: options.cwd } : {}),
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = { stdout: "", stderr: "" };
  let changed = Promise.withResolvers<void>();
  const read = async (name: "stdout" | "stderr") => {
    for await (const text of child[name].pipeThrough(new TextDecoderStream())) {
      output[name] += text;
      changed.resolve();
      changed = Promise.withResolvers();
    }
  };
  const reading = Promise.all([read("stdout"), read("stderr")]);
  const written = options.stdin === undefined ? Promise.resolve() : write(child.stdin, options.stdin);
  let over = false;
  const ended = (async () => {
    const { code } = await child.status;
    await Promise.all([reading, written]);
    over = true;
    changed.resolve();
    return { code, ...output };
  })();
  return {
    pid: child.pid,
    ended,
    kill: (signal) => child.kill(signal),
    soFar: (stream) => output[stream],
    async said(pattern, stream = "stderr") {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        changed.resolve();
      }, PATIENCE_MS);
      try {
        while (!pattern.test(output[stream])) {
          if (over || late) {
            throw new Error(`krun did not say ${pattern}:\n${output.stdout}\n${output.stderr}`);
          }
          await changed.promise;
        }
      } finally {
        clearTimeout(timer);
      }
    },
    async [Symbol.asyncDispose]() {
      // SIGTERM first: an app whose krun is killed would stay, and hold the pipes open.
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        if (over) break;
        try {
          child.kill(signal);
        } catch { /* it has ended */ }
        let timer: ReturnType<typeof setTimeout> | undefined;
        await Promise.race([ended, new Promise((resolve) => timer = setTimeout(resolve, 9_000))]);
        clearTimeout(timer);
      }
    },
  };
}

/** Runs krun to its end. */
export async function runKrun(args: readonly string[], options: KrunOptions): Promise<KrunEnd> {
  await using krun = startKrun(args, options);
  return await krun.ended;
}

/** What krun says last, without its log: from `krun: cannot` to the end. */
export function messageOf({ stderr }: KrunEnd): string {
  const at = stderr.search(/^krun: cannot /m);
  return at < 0 ? "" : stderr.slice(at).trimEnd();
}

/** Whether this process may make a namespace of this kind, e.g. `--mount`: root, and a kernel or container that lets it. */
export function canUnshare(kind: "--mount" | "--net"): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  try {
    return new Deno.Command("unshare", { args: [kind, "true"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false; // not installed
  }
}

/** A copy of Deno's cache that any user may read, as a value for DENO_DIR: root's own is closed to others. */
export async function openCache(directory: string): Promise<string> {
  const copy = `${directory}/deno`;
  await Deno.mkdir(copy);
  for (const args of [["cp", "-r", `${denoDirectory()}/npm`, copy], ["chmod", "-R", "a+rwX", copy]]) {
    const { success } = await new Deno.Command(args[0]!, { args: args.slice(1) }).output();
    if (!success) throw new Error(args.join(" "));
  }
  return copy;
}

export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir();
  try {
    return await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function write(stream: WritableStream<Uint8Array<ArrayBuffer>>, text: string): Promise<void> {
  const writer = stream.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
}

export function denoDirectory(): string {
  return Deno.env.get("DENO_DIR") ?? `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;
}
