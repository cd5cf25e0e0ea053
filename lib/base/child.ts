import { linesOf } from "./lines.ts";
import { pause } from "./pause.ts";
import { isRunning, withDescendants } from "./process_tree.ts";

/** Ends a process that we started: SIGTERM, and SIGKILL when that takes too long, or when `hurry` is aborted. */
export async function endProcess(
  child: Deno.ChildProcess,
  graceMs: number,
  hurry?: AbortSignal,
): Promise<Deno.CommandStatus> {
  const kill = () => signalQuietly(child, "SIGKILL");
  if (hurry?.aborted) kill();
  else signalQuietly(child, "SIGTERM");
  hurry?.addEventListener("abort", kill, { once: true });
  const timer = setTimeout(kill, graceMs);
  try {
    return await child.status;
  } finally {
    clearTimeout(timer);
    hurry?.removeEventListener("abort", kill);
  }
}

/**
 * Ends a process that starts others, and then those of them that it left behind. One that has ended by itself must have been started
 * `detached`: then they are told by its session. Returns when all of them have let go of what they held.
 */
export async function endProcessTree(
  child: Deno.ChildProcess,
  graceMs: number,
  hurry?: AbortSignal,
): Promise<Deno.CommandStatus> {
  const tree = await withDescendants([child.pid]);
  const status = await endProcess(child, graceMs, hurry);
  for (const pid of await withDescendants([child.pid])) tree.add(pid); // started meanwhile
  tree.delete(child.pid);
  for (const pid of tree) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch { /* it has ended */ }
  }
  await goneFrom(tree);
  return status;
}

/** What a killed process takes to let go of its ports and files: with much memory some milliseconds. */
const LETTING_GO_MS = 500;

async function goneFrom(pids: ReadonlySet<number>): Promise<void> {
  const until = performance.now() + LETTING_GO_MS;
  for (const pid of pids) {
    while (await isRunning(pid) && performance.now() < until) await pause(2);
  }
}

/** Sends a signal; a process that has ended already is no error. */
export function signalQuietly(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch { /* it has ended */ }
}

/** The same for a group of processes (kill(2): the negative number of its leader), as long as one of them is there. */
export function signalGroupQuietly(leader: number, signal: Deno.Signal): void {
  try {
    Deno.kill(-leader, signal);
  } catch { /* all have ended */ }
}

/** Hands each line of a child's outputs to `take`, and keeps the last ones for an error message. */
export class OutputTail {
  readonly #last: string[] = [];
  private readonly done: Promise<void>;

  constructor(streams: readonly ReadableStream<Uint8Array>[], take: (line: string) => void, readonly keep = 5) {
    this.done = Promise.all(streams.map(async (stream) => {
      for await (const line of linesOf(stream)) {
        this.#last.push(line);
        if (this.#last.length > this.keep) this.#last.shift();
        take(line);
      }
    })).then(() => {}, () => {});
  }

  /** Waits for the end of the outputs, but not long: a grandchild that lives on keeps them open. */
  async settle(limitMs = 200): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([this.done, new Promise<void>((resolve) => timer = setTimeout(resolve, limitMs))]);
    clearTimeout(timer);
  }

  text(): string {
    return this.#last.join(" | ");
  }
}
