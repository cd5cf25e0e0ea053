import { mayActAsOthers } from "../base/privilege.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { endProcess, signalQuietly } from "../base/child.ts";

export interface AppOptions {
  /** Program and arguments. */
  command: readonly [string, ...string[]];
  environment: Readonly<Record<string, string>>;
  /** `K8S_UID`; only root can become another user. */
  uid?: number | undefined;
}

/** The app as a child of krun with krun's own standard streams and working directory; disposing it ends it. */
export interface App extends AsyncDisposable {
  readonly pid: number;
  /** Its exit code; 128 + n where signal n ended it. */
  readonly exitCode: Promise<number>;
  signal(signal: Deno.Signal): void;
}

/** How long disposing waits between SIGTERM and SIGKILL: less than Cloud Run's 10 s. */
const GRACE_MS = 8_000;

/** @throws {Problem} no such program, or it cannot be executed */
export function startApp(options: AppOptions): App {
  const [program, ...args] = options.command;
  const uid = options.uid !== undefined && mayActAsOthers() ? options.uid : undefined;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      env: { ...options.environment },
      clearEnv: true,
      ...(uid === undefined ? {} : { uid, gid: uid }),
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    const tried = `start the app: ${program}`;
    if (error instanceof Deno.errors.NotFound) {
      const fix = `check the image's command and PATH (${options.environment["PATH"] ?? ""})`;
      throw new Problem({ tried, got: "no such program", fix, cause: error });
    }
    const denied = error instanceof Deno.errors.PermissionDenied;
    throw new Problem({
      tried,
      got: denied ? "not executable" : reasonOf(error),
      fix: denied ? `chmod +x ${program}` : undefined,
      cause: error,
    });
  }
  let ended = false;
  const exitCode = child.status.then(({ code }) => {
    ended = true;
    return code;
  });
  return {
    pid: child.pid,
    exitCode,
    signal: (signal) => signalQuietly(child, signal),
    async [Symbol.asyncDispose]() {
      if (!ended) await endProcess(child, GRACE_MS);
    },
  };
}
