/**
 * Children of a program that was killed live on and hold their ports. So each child is noted, as a file in a directory whose name
 * says all: `<parent>.<its start>-<child>.<its start>`; the next start ends those whose parent is gone. A process is known by its id
 * and the time it was started, since ids come again. While a child is being started nobody knows its id: until then a note with its
 * command line and the time stands in, `<parent>.<its start>-spawn.<time>`.
 */
import { dirname, join } from "node:path";
import { pause } from "./pause.ts";
import { withDescendants } from "./process_tree.ts";

const NOTE = /^(\d+)\.(\d+)-(\d+|spawn)\.(\d+)$/;

/** How long the kernel has to take a killed process away. */
const GONE_MS = 2_000;

/** The kernel counts starts of processes in hundredths of a second since its own (USER_HZ, time(7)). */
const TICKS_PER_SECOND = 100;
/** A process is there within this time of the note about its start. */
const SPAWN_TICKS = 2 * TICKS_PER_SECOND;

/** A note about a child; disposing it takes it away. */
export interface Note extends Disposable {
  /** The child is there. */
  started(pid: number): void;
}

/**
 * Notes a child that is about to be started. Without /proc, or a directory that can be written, nothing is noted: that costs the next
 * start after a kill, not this one.
 * @param command its program and arguments
 */
export function noteSpawn(directory: string, command: readonly string[]): Note {
  const parent = `${Deno.pid}.${startedAt(Deno.pid)}`;
  let path = write(join(directory, `${parent}-spawn.${nowTicks()}`), command.join("\0"));
  return {
    started(pid) {
      const expected = path;
      path = write(join(directory, `${parent}-${pid}.${startedAt(pid)}`), "");
      remove(expected);
    },
    [Symbol.dispose]: () => remove(path),
  };
}

/**
 * Kills the children that are noted and whose parent is gone, with what descends from them, and waits until they are gone.
 * @returns the processes that were killed
 */
export async function endLeftBehind(directory: string): Promise<number[]> {
  const roots: number[] = [];
  for (const name of namesIn(directory)) {
    const [, parent, parentStart, child, start] = NOTE.exec(name) ?? [];
    if (parent === undefined || startedAt(Number(parent)) === Number(parentStart)) continue;
    const path = join(directory, name);
    roots.push(...child === "spawn" ? startedWith(read(path), Number(start)) : stillIs(Number(child), Number(start)));
    remove(path);
  }
  if (roots.length === 0) return [];
  const killed = [...await withDescendants(roots)].filter((pid) => pid !== Deno.pid && kill(pid));
  const until = performance.now() + GONE_MS;
  while (killed.some(isAlive) && performance.now() < until) await pause(5);
  return killed;
}

/** One that has ended may have left others in its session; one that started at another time is somebody else's. */
function stillIs(pid: number, start: number): number[] {
  const now = startedAt(pid);
  return now === undefined || now === start ? [pid] : [];
}

/** Processes with this command line that were started just after `ticks`. An interpreter stands before the name of its script. */
function startedWith(command: string, ticks: number): number[] {
  if (command === "") return [];
  return namesIn("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    if (pid === Deno.pid || !read(`/proc/${pid}/cmdline`).endsWith(`${command}\0`)) return false;
    const after = (startedAt(pid) ?? 0) - ticks;
    return after >= -1 && after <= SPAWN_TICKS; // times are rounded
  });
}

function nowTicks(): number {
  return Math.floor(Number(read("/proc/uptime").split(" ")[0]) * TICKS_PER_SECOND);
}

function write(path: string, text: string): string {
  const umask = Deno.umask(0o022); // directories above may be others' too
  try {
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
  } catch { /* not noted, see above */ }
  Deno.umask(umask);
  return path;
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch { /* it was not noted, or another start was faster */ }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    return []; // nothing was ever noted
  }
}

function kill(pid: number): boolean {
  if (!isAlive(pid)) return false;
  try {
    Deno.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false; // it has ended, or is not ours to end
  }
}

/** A zombie waits for its parent and holds nothing, but only once its other threads have ended as well. */
function isAlive(pid: number): boolean {
  const state = statFields(pid)?.[0];
  if (state !== "Z" && state !== "X") return state !== undefined;
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].length > 1;
  } catch {
    return false;
  }
}

/** When a process was started, in ticks since the kernel was (proc(5): field 22 of stat); `undefined` where there is none. */
function startedAt(pid: number): number | undefined {
  const ticks = statFields(pid)?.[19];
  return ticks === undefined ? undefined : Number(ticks);
}

/** The fields of /proc/PID/stat from the third on: the second, a name in parentheses, may hold anything. */
function statFields(pid: number): string[] | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === "" ? undefined : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
