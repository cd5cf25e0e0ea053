/**
 * Spawns a child of another user and gives its piped output to that user: a program opens `/dev/stdout` anew by its path, and a pipe
 * belongs to who made it. Envoy does so for `accessLogFile: /dev/stdout`, and refuses every listener when it may not.
 *
 * The pipes are known by our own ends of them, which are the same files: the child's are closed to one who may not trace it, as root in
 * a container may not. Where they cannot be given, the child runs as it would have.
 */
export function spawnWithStreamsOf<T>({ uid, gid }: { uid: number; gid: number }, spawn: () => T): T {
  const before = ownPipes();
  const child = spawn();
  for (const [descriptor, pipe] of ownPipes()) {
    if (before.get(descriptor) === pipe) continue;
    try {
      Deno.chownSync(`/proc/self/fd/${descriptor}`, uid, gid);
    } catch {
      // Closed meanwhile, or not allowed.
    }
  }
  return child;
}

/** Descriptor → `pipe:[inode]`; none where there is no /proc. */
function ownPipes(): Map<string, string> {
  const found = new Map<string, string>();
  try {
    for (const { name } of Deno.readDirSync("/proc/self/fd")) {
      const target = linkOf(`/proc/self/fd/${name}`);
      if (target?.startsWith("pipe:")) found.set(name, target);
    }
  } catch {
    // No /proc.
  }
  return found;
}

function linkOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined; // the descriptor of the listing itself is closed by now
  }
}
