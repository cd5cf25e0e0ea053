/**
 * The processes given and all that descend from them, by /proc (proc(5): the fourth field of stat is the parent).
 * Where there is no /proc, only those given.
 */
export async function withDescendants(pids: readonly number[]): Promise<Set<number>> {
  const parents = new Map<number, number>();
  try {
    for await (const entry of Deno.readDir("/proc")) {
      if (!/^\d+$/.test(entry.name)) continue;
      const stat = await Deno.readTextFile(`/proc/${entry.name}/stat`).catch(() => "");
      // the name in parentheses may hold anything, so fields are counted from its end
      const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
      if (parent) parents.set(Number(entry.name), Number(parent));
    }
  } catch { /* no /proc */ }
  const found = new Set(pids);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (found.has(parent) && !found.has(pid)) grown = Boolean(found.add(pid));
    }
  }
  return found;
}
