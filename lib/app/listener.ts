import { Problem, UsageError } from "../base/errors.ts";
import { withDescendants } from "../base/process_tree.ts";

/** Sockets that listen on a TCP port, by inode, from the text of /proc/net/tcp or tcp6 (proc(5): state 0A is LISTEN). */
export function listeningInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return table.split("\n").slice(1).map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && fields[1]?.split(":")[1] === wanted)
    .map((fields) => fields[9]!).filter((inode) => inode !== undefined && inode !== "0");
}

/** Whether something accepts connections on this port of the loopback. */
export async function accepts(port: number, hostname = "127.0.0.1", limitMs = 1_000): Promise<boolean> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), limitMs);
  try {
    (await Deno.connect({ hostname, port, signal: limit.signal } as Deno.ConnectOptions)).close();
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** @throws {UsageError} the app and the tunnel's end would listen on the same port */
export function requireApart(settings: { appPort: number; tunnelPort: number; tunnel: string }): void {
  if (settings.tunnel === "none" || settings.appPort !== settings.tunnelPort) return;
  throw new UsageError({
    tried: `keep port ${settings.appPort} for the app`,
    got: "the tunnel's end is to listen on the same port",
    fix:
      "deploy the service with --port 15009 (Cloud Run's PORT is the tunnel's), or set PORT_http or KRUN_TUNNEL_PORT",
  });
}

/** @throws {Problem} another process listens on the app's port before the app was started */
export async function requireFree(port: number): Promise<void> {
  if (!(await Promise.all([accepts(port), accepts(port, "::1")])).includes(true)) return;
  throw new Problem({
    tried: `keep port ${port} for the app`,
    got: "the port is taken: something listens on it before the app was started",
    fix: `end that process (ss -ltnp 'sport = :${port}'), or set PORT_http to the app's own port`,
  });
}

/**
 * Whether every listener on `port` belongs to one of `pids` or their children: then it is not the app's.
 * Where /proc does not tell (another container's processes, no such file) the listener counts as foreign to them.
 */
export async function ownedBy(port: number, pids: readonly number[]): Promise<boolean> {
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => Deno.readTextFile(path).catch(() => "")),
  );
  const inodes = new Set(tables.flatMap((table) => listeningInodes(table, port)));
  if (inodes.size === 0) return false;
  for (const pid of await withDescendants(pids)) {
    for (const inode of await socketsOf(pid)) inodes.delete(inode);
  }
  return inodes.size === 0;
}

async function socketsOf(pid: number): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(`/proc/${pid}/fd`)) {
      const target = await Deno.readLink(`/proc/${pid}/fd/${entry.name}`).catch(() => "");
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode) found.push(inode);
    }
  } catch { /* it has ended, or is somebody else's */ }
  return found;
}
