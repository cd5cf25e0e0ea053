/**
 * Gives a child's piped output to the user it runs as: a program opens `/dev/stdout` anew by its path, and a pipe belongs to who made it.
 * Envoy does so for `accessLogFile: /dev/stdout`, and refuses every listener when it may not. Where the system does not let it be
 * given, the child runs as it would have.
 */
export function giveStreams(pid: number, { uid, gid }: { uid: number; gid: number }): void {
  for (const descriptor of [1, 2]) {
    try {
      Deno.chownSync(`/proc/${pid}/fd/${descriptor}`, uid, gid);
    } catch {
      // It has ended, or there is no /proc.
    }
  }
}
