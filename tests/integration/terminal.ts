/** Programs at a terminal, as people have them. */

/** Runs a command at a pseudo-terminal of 33 by 77, with its own standard streams as keyboard and screen, and ends as it ends. */
const TERMINAL = `
import os, pty, sys
status = pty.spawn(["sh", "-c", 'unset CI; stty rows 33 cols 77 -echo; exec "$@"', "sh"] + sys.argv[1:])
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

/** python3 makes it. */
export const hasTerminal = (() => {
  try {
    const args = ["-c", "import pty; pty.openpty()"];
    return new Deno.Command("python3", { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
})();

export interface Terminal extends AsyncDisposable {
  type(text: string): Promise<void>;
  /** Resolves when the screen, from the last match on, matches. @returns the match */
  shows(pattern: RegExp): Promise<RegExpExecArray>;
  /** Exit code. */
  readonly ended: Promise<number>;
}

/** @param environment in addition to this process's @param kind `xterm` for colours and pictures that move */
export function openTerminal(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  kind: "dumb" | "xterm" = "dumb",
): Terminal {
  const child = new Deno.Command("python3", {
    args: ["-c", TERMINAL, ...command],
    env: { ...environment, PS1: "ready> ", TERM: kind },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keyboard = child.stdin.getWriter();
  let screen = "";
  let changed = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      screen += text;
      changed.resolve();
      changed = Promise.withResolvers();
    }
    changed.reject(new Error("the terminal is closed"));
    changed.promise.catch(() => {});
  })();
  const ended = Promise.all([child.status, reading]).then(([{ code }]) => code);
  return {
    ended,
    type: (text) => keyboard.write(new TextEncoder().encode(text)),
    async shows(pattern) {
      const limit = setTimeout(() => changed.reject(new Error("nothing more in 15 s")), 15_000);
      try {
        for (;;) {
          const found = pattern.exec(screen);
          if (found) {
            screen = screen.slice(found.index + found[0].length);
            return found;
          }
          await changed.promise;
        }
      } catch (error) {
        throw new Error(`the screen does not show ${pattern}: ${(error as Error).message}\n${screen}`);
      } finally {
        clearTimeout(limit);
      }
    },
    async [Symbol.asyncDispose]() {
      await keyboard.close().catch(() => {});
      const timer = setTimeout(() => child.kill("SIGHUP"), 1_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
