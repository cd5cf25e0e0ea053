import { openLibc } from "../base/libc.ts";
import { logger } from "../base/log.ts";

const log = logger("krun", "app");

const SYMBOLS = {
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32" },
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
} as const;

/** waitid(2), Linux. */
const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
/** sizeof(siginfo_t), and where si_pid stands in it for SIGCHLD, on 64-bit Linux. */
const SIGINFO_BYTES = 128;
const SI_PID_AT = 16;

/** How soon to look again when a child of the runtime's own stands in the way of orphans that ended after it. */
const AGAIN_MS = 20;

/**
 * Takes the exit status of processes that were left to us: as PID 1 of a container krun inherits every orphan, and one that nobody waits for
 * stays as a zombie. Children that the runtime started itself are left to it, or their exit codes would be lost.
 * @param own process ids of the runtime's own children
 * @returns something to dispose; does nothing where krun is not PID 1 or the C library cannot be called
 */
export function reapOrphans(own: () => Iterable<number>, isInit: boolean = Deno.pid === 1): Disposable {
  const libc = isInit ? openLibc(SYMBOLS) : undefined;
  if (!libc) {
    if (isInit) log.warn("orphaned processes will stay as zombies: the C library cannot be called");
    return { [Symbol.dispose]: () => {} };
  }
  let again: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(again);
    again = undefined;
    if (reapAll(libc.symbols, new Set(own())) === "blocked") again = setTimeout(look, AGAIN_MS);
  };
  Deno.addSignalListener("SIGCHLD", look);
  look(); // those that ended before the listener was there
  return {
    [Symbol.dispose]() {
      Deno.removeSignalListener("SIGCHLD", look);
      clearTimeout(again);
      libc.close();
    },
  };
}

/** Looks at ended children without taking them; takes those that are not `own`. */
function reapAll(
  libc: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"],
  own: ReadonlySet<number>,
): "done" | "blocked" {
  const info = new Uint8Array(SIGINFO_BYTES);
  const status = new Int32Array(1);
  for (;;) {
    info.fill(0);
    if (libc.waitid(P_ALL, 0, info, WNOHANG | WEXITED | WNOWAIT) !== 0) return "done"; // no children at all
    const pid = new DataView(info.buffer).getInt32(SI_PID_AT, true);
    if (pid === 0) return "done";
    if (own.has(pid)) return "blocked";
    libc.waitpid(pid, new Uint8Array(status.buffer), WNOHANG);
  }
}
