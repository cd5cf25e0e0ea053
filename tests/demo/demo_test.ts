/** The demo as a child process, as a newcomer runs it and interrupts it. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("main.ts", import.meta.url));

interface Ended {
  code: number;
  output: string;
  /** Ports that the account names and that still answer. */
  openPorts: number[];
  /** What is left in its directory for temporary files. */
  files: string[];
}

/** Runs the demo; SIGINT is sent once the output has `interruptAt` in it, to `whom`. */
async function run(interrupt?: { at: string; whom: "the demo" | "its process group" }): Promise<Ended> {
  const temporary = await Deno.makeTempDir({ prefix: "demo-test-" });
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", PROGRAM],
      env: { TMPDIR: temporary, NO_COLOR: "1" },
      detached: true, // a process group of its own, as a shell gives to what it starts
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const errors = new Response(child.stderr).text();
    let output = "";
    let interrupted = false;
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (!interrupt || interrupted || !output.includes(interrupt.at)) continue;
      interrupted = true;
      if (interrupt.whom === "the demo") child.kill("SIGINT");
      else Deno.kill(-child.pid, "SIGINT");
    }
    const { code } = await child.status;
    assert.equal(await errors, "", output);
    const files = [...Deno.readDirSync(temporary)].map(({ name }) => name);
    return { code, output, openPorts: await openPorts(output), files };
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

async function openPorts(output: string): Promise<number[]> {
  const ports = new Set(
    [...output.matchAll(/(?:127\.0\.0\.1:|tunnelPort=|from port )(\d+)/g)].map((match) => match[1]),
  );
  assert.ok(ports.size >= 4, output);
  const open: number[] = [];
  for (const port of [...ports].map(Number)) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
    conn?.close();
    if (conn) open.push(port);
  }
  return open;
}

Deno.test("demo: tells seven steps that all hold, and leaves nothing behind", async () => {
  const { code, output, openPorts, files } = await run();
  assert.equal(code, 0, output);
  const steps = output.split(/\n\n(?=[ \d]\d {2}\S)/).slice(1);
  assert.deepEqual(steps.map((step) => step.slice(0, 2).trim()), ["1", "2", "3", "4", "5", "6", "7"], output);
  for (const step of steps) assert.match(step, /^ {4}✓ /m);
  assert.doesNotMatch(output, /✗|failed/);
  assert.match(output, /\nDone in [\d.]+ s\./);
  for (const line of output.split("\n")) assert.ok(line.length <= 110, line);
  assert.deepEqual([openPorts, files], [[], []]);
});

for (
  const [name, interrupt] of Object.entries(
    {
      "while krun starts": { at: "\n 1  ", whom: "the demo" },
      "half-way": { at: "\n 4  ", whom: "the demo" },
      "half-way, by Ctrl-C, which krun and its app get as well": { at: "\n 3  ", whom: "its process group" },
    } as const,
  )
) {
  Deno.test(`demo: interrupted ${name}, it undoes everything`, async () => {
    const { code, output, openPorts, files } = await run(interrupt);
    assert.equal(code, 0, output);
    assert.match(output, /\nStopped; everything is undone\.\n$/);
    assert.doesNotMatch(output, /✗|failed|Done/);
    assert.deepEqual([openPorts, files], [[], []]);
  });
}
