import { mayActAsOthers } from "../base/privilege.ts";
import { Problem, reasonOf } from "../base/errors.ts";
import { signalGroupQuietly, signalQuietly } from "../base/child.ts";
import { noteSpawn } from "../base/left_behind.ts";
import { logger } from "../base/log.ts";
import { endedBy, readCgroup } from "./ended_by.ts";

const log = logger("krun", "app");

/** What a terminal sends to the app without krun. */
const FROM_TERMINAL: ReadonlySet<string> = new Set(["SIGINT", "SIGQUIT", "SIGHUP"]);

export interface AppOptions {
  /** Program and arguments. */
  command: readonly [string, ...string[]];
  environment: Readonly<Record<string, string>>;
  /** `K8S_UID`; only root can become another user. */
  uid?: number | undefined;
  /** Its signals go to all processes of its group, which it then leads in a session of its own. @default false */
  signalGroup?: boolean | undefined;
  /** What disposing leaves it between SIGTERM and SIGKILL. */
  graceMs: number;
  /** Aborted, with the reason, when it is to be killed. */
  hurry: AbortSignal;
  /** Where its process is noted. */
  processes: string;
}

/** The app as a child of krun with krun's own standard streams and working directory; disposing it ends it. */
export interface App extends AsyncDisposable {
  readonly pid: number;
  /** Its exit code; 128 + n where signal n ended it. */
  readonly exitCode: Promise<number>;
  signal(signal: Deno.Signal): void;
}

/** @throws {Problem} no such program, or it cannot be executed */
export function startApp(options: AppOptions): App {
  const [program, ...args] = options.command;
  const uid = options.uid !== undefined && mayActAsOthers() ? options.uid : undefined;
  const note = noteSpawn(options.processes, options.command);
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      env: { ...options.environment },
      clearEnv: true,
      ...(uid === undefined ? {} : { uid, gid: uid }),
      ...(options.signalGroup ? { detached: true } : {}),
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    note[Symbol.dispose]();
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
  note.started(child.pid);
  const sent = new Set<Deno.Signal>();
  let ended = false;
  const signal = (signal: Deno.Signal) => {
    if (ended) return; // its number may be another's
    sent.add(signal);
    if (options.signalGroup) signalGroupQuietly(child.pid, signal);
    else signalQuietly(child, signal);
  };
  const kill = () => {
    log.warn(`the app has not ended and is killed: ${reasonOf(options.hurry.reason)}`);
    signal("SIGKILL");
  };
  const { hurry } = options;
  if (hurry.aborted) kill();
  else hurry.addEventListener("abort", kill, { once: true });
  const exitCode = child.status.then(({ code, signal }) => {
    ended = true;
    hurry.removeEventListener("abort", kill);
    note[Symbol.dispose]();
    if (signal && !sent.has(signal) && !FROM_TERMINAL.has(signal)) log.error(endedBy(signal, readCgroup()));
    return code;
  });
  return {
    pid: child.pid,
    exitCode,
    signal,
    async [Symbol.asyncDispose]() {
      if (ended) return;
      signal("SIGTERM");
      const timer = setTimeout(() => signal("SIGKILL"), options.graceMs);
      await exitCode;
      clearTimeout(timer);
    },
  };
}
