/** krun at a terminal: the app has its keyboard, its signals and its process group as if krun were not there. */
import assert from "node:assert/strict";
import { inWorld, QUIET, type Scene } from "./app_scene.ts";
import { krunCommand } from "./krun_process.ts";

/** Runs a command at a pseudo-terminal of 33 by 77, with its own standard streams as keyboard and screen, and ends as it ends. */
const TERMINAL = `
import os, pty, sys
status = pty.spawn(["sh", "-c", 'stty rows 33 cols 77 -echo; exec "$@"', "sh"] + sys.argv[1:])
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

const hasTerminal = (() => {
  try {
    const args = ["-c", "import pty; pty.openpty()"];
    return new Deno.Command("python3", { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
})();

interface Terminal extends AsyncDisposable {
  type(text: string): Promise<void>;
  /** Resolves when the screen, from the last match on, matches. @returns the match */
  shows(pattern: RegExp): Promise<RegExpExecArray>;
  /** Exit code. */
  readonly ended: Promise<number>;
}

function openTerminal(command: readonly string[], environment: Readonly<Record<string, string>>): Terminal {
  const child = new Deno.Command("python3", {
    args: ["-c", TERMINAL, ...command],
    env: { ...environment, PS1: "ready> ", TERM: "dumb" },
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

/** The same at a terminal with krun before the command and without it. */
function withAndWithout(name: string, test: (start: (...command: string[]) => Terminal) => Promise<void>): void {
  for (const how of ["with", "without"] as const) {
    Deno.test({
      name: `terminal, ${how} krun: ${name}`,
      ignore: !hasTerminal, // python3 makes it
      fn: () =>
        inWorld((scene) => {
          const before = how === "with" ? krunOf(scene) : [];
          return test((...command) => openTerminal([...before, ...command], environmentOf(scene)));
        }),
    });
  }
}

const krunOf = (_: Scene) => krunCommand([...QUIET, "--"]);
const environmentOf = ({ environment }: Scene) => ({
  ...environment,
  "startupProbe.tcp": "127.0.0.1:1",
  KRUN_GRACE_MS: "500",
});

withAndWithout("what the app sees of it", async (start) => {
  const script = 'for fd in 0 1 2; do test -t $fd && echo "$fd is one"; done; stty size; ' +
    'set -- $(cut -d")" -f2 /proc/$$/stat); test $3 = $6 && echo "in the foreground, session of $(test $4 = $$ && echo its own || echo another)"';
  await using terminal = start("sh", "-c", script);
  await terminal.shows(
    /0 is one\r\n1 is one\r\n2 is one\r\n33 77\r\nin the foreground, session of (its own|another)\r\n/,
  );
  assert.equal(await terminal.ended, 0);
});

/** Counts what it gets, and ends at the end of its input. */
const COUNTS = `
import signal, sys
seen = dict(INT=0, TERM=0)
def got(number, frame):
    name = signal.Signals(number).name[3:]
    seen[name] += 1
    print(name, seen[name], flush=True)
for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, got)
print("ready", flush=True)
for line in sys.stdin: print("seen", seen["INT"], seen["TERM"], flush=True)
sys.exit(5)
`;

withAndWithout("^C reaches the app once, and whether it ends is the app's business", async (start) => {
  await using terminal = start("python3", "-c", COUNTS);
  await terminal.shows(/ready/);
  for (const times of [1, 2, 3]) { // a copy that krun passes on would come before the next
    await terminal.type("\x03");
    await terminal.shows(new RegExp(`INT ${times}`));
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  await terminal.type("how many?\n");
  const [, interrupts, terms] = await terminal.shows(/seen (\d+) (\d+)/);
  assert.deepEqual([interrupts, terms], ["3", "0"]);
  await terminal.type("\x04");
  assert.equal(await terminal.ended, 5);
});

withAndWithout("^C ends an app that does nothing about it, with 130", async (start) => {
  await using terminal = start("sh", "-c", "echo ready; exec sleep 100");
  await terminal.shows(/ready/);
  await terminal.type("\x03");
  assert.equal(await terminal.ended, 130);
});

withAndWithout("^\\ does too, with 131", async (start) => {
  await using terminal = start("sh", "-c", "ulimit -c 0; echo ready; exec sleep 100");
  await terminal.shows(/ready/);
  await terminal.type("\x1c");
  assert.equal(await terminal.ended, 131);
});

withAndWithout("^D is the end of input", async (start) => {
  await using terminal = start("sh", "-c", "echo ready; cat; echo after; exit 4");
  await terminal.shows(/ready/);
  await terminal.type("a line\n\x04");
  await terminal.shows(/a line\r\nafter/);
  assert.equal(await terminal.ended, 4);
});

const PROMPT = /bash-[\d.]+[#$] /;
withAndWithout("an interactive shell: ^C, ^Z and fg of its jobs, and its code", async (start) => {
  await using terminal = start("bash", "--norc", "--noprofile", "-i");
  await terminal.shows(PROMPT);
  await terminal.type("sh -c 'echo begun; exec sleep 100'; echo code $?\n");
  await terminal.shows(/begun/);
  await terminal.type("\x03");
  await terminal.shows(PROMPT);
  await terminal.type("sh -c 'echo begun; exec cat'\n");
  await terminal.shows(/begun/);
  await terminal.type("\x1a");
  await terminal.shows(/Stopped/);
  await terminal.type("fg\nagain\n");
  await terminal.shows(/exec cat'\r\nagain\r\n/);
  await terminal.type("\x04");
  await terminal.shows(PROMPT);
  await terminal.type("\x03");
  await terminal.shows(PROMPT);
  await terminal.type("exit 7\n");
  assert.equal(await terminal.ended, 7);
});

Deno.test({
  name: "terminal: ^Z stops krun and its app as one job of the shell above, fg goes on with both",
  ignore: !hasTerminal,
  fn: () =>
    inWorld(async (scene) => {
      await using terminal = openTerminal(["bash", "--norc", "--noprofile", "-i"], environmentOf(scene));
      await terminal.shows(PROMPT);
      const quoted = [...krunOf(scene), "sh", "-c", "echo begun; exec cat"].map((word) => `'${word}'`).join(" ");
      await terminal.type(`${quoted}\n`);
      await terminal.shows(/begun/);
      await terminal.type("\x1a");
      await terminal.shows(/Stopped/);
      await terminal.type("fg\nagain\n");
      await terminal.shows(/exec cat'\r\nagain\r\n/);
      await terminal.type("\x04");
      await terminal.shows(PROMPT);
      await terminal.type("exit 7\n");
      assert.equal(await terminal.ended, 7);
    }),
});
