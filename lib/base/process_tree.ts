/**
 * The processes given, all that descend from them, and all in sessions that these lead: what a dead one has left behind belongs to
 * its session still. By /proc (proc(5): the fourth field of stat is the parent, the sixth the session); where there is none, only
 * those given.
 */
export async function withDescendants(pids: readonly number[]): Promise<Set<number>> {
  const owners = new Map<number, { parent: number; session: number }>();
  try {
    for await (const entry of Deno.readDir("/proc")) {
      if (!/^\d+$/.test(entry.name)) continue;
      const stat = await Deno.readTextFile(`/proc/${entry.name}/stat`).catch(() => "");
      // the name in parentheses may hold anything, so fields are counted from its end
      const [, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (parent && session) owners.set(Number(entry.name), { parent: Number(parent), session: Number(session) });
    }
  } catch { /* no /proc */ }
  const found = new Set(pids);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, { parent, session }] of owners) {
      if ((found.has(parent) || found.has(session)) && !found.has(pid)) grown = Boolean(found.add(pid));
    }
  }
  return found;
}

/** Whether a process runs; one that has ended and waits to be reaped does not, nor does one that /proc does not show. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return stat !== "" && !/^[ZX] /.test(stat.slice(stat.lastIndexOf(")") + 2));
}
