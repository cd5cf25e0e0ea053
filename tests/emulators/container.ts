/**
 * How Cloud Run stops a container: SIGTERM, ten seconds, SIGKILL.
 *
 * Wire facts: https://cloud.google.com/run/docs/container-contract#instance-shutdown
 */

/** How a container ended. */
export interface ContainerEnd {
  status: Deno.CommandStatus;
  /** From SIGTERM to its end. */
  tookMs: number;
  /** It was still there when the grace was over. */
  killed: boolean;
}

export interface StopOptions {
  /** @default 10_000 */
  graceMs?: number;
}

/** Stops a process as Cloud Run would and resolves when it is gone; also for one that has ended before. */
export async function stopContainer(child: Deno.ChildProcess, options: StopOptions = {}): Promise<ContainerEnd> {
  const startedAtMs = performance.now();
  let killed = false;
  signal(child, "SIGTERM");
  const timer = setTimeout(() => {
    killed = true;
    signal(child, "SIGKILL");
  }, options.graceMs ?? 10_000);
  const status = await child.status;
  clearTimeout(timer);
  return { status, tookMs: performance.now() - startedAtMs, killed };
}

function signal(child: Deno.ChildProcess, name: "SIGTERM" | "SIGKILL"): void {
  try {
    child.kill(name);
  } catch {
    // It has ended already: its status says how.
  }
}
