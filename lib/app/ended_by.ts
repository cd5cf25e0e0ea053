/** Where the kernel counts processes that a container's memory limit has killed: cgroup v2, https://docs.kernel.org/admin-guide/cgroup-v2.html, and v1. */
const COUNTERS = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/** What is said when a signal ended the app that krun did not send. */
export function endedBy(signal: Deno.Signal, cgroup: string): string {
  const text = `the app was ended by ${signal}, which krun did not send`;
  if (signal !== "SIGKILL") return text;
  const killed = Number(/^oom_kill (\d+)$/m.exec(cgroup)?.[1] ?? 0);
  return killed > 0
    ? `${text}: the container's memory limit was reached, give it more memory`
    : `${text}: by somebody's kill -9, or where the container's memory limit was reached`;
}

/** The counters' text; nothing where this container does not show them. */
export function readCgroup(): string {
  return COUNTERS.map((path) => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return "";
    }
  }).join("\n");
}
