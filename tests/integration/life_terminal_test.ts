/** krun at a terminal: the app has its keyboard, its signals and its process group as if krun were not there. */
import assert from "node:assert/strict";
import { inWorld, QUIET, type Scene } from "./app_scene.ts";
import { krunCommand } from "./krun_process.ts";
import { hasTerminal, openTerminal, type Terminal } from "./terminal.ts";

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
  await terminal.shows(/begun\r\n/);
  await terminal.type("\x03");
  await terminal.shows(PROMPT);
  await terminal.type("sh -c 'echo begun; exec cat'\n");
  await terminal.shows(/begun\r\n/);
  await terminal.type("\x1a");
  await terminal.shows(/Stopped/);
  await terminal.type("fg\nagain\n");
  await terminal.shows(/exec cat'\r\nagain\r\n/);
  await terminal.type("\x04");
  await terminal.shows(PROMPT);
  await new Promise((resolve) => setTimeout(resolve, 200)); // the prompt is there before bash listens: a ^C between is lost
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
      await terminal.shows(/begun\r\n/);
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
