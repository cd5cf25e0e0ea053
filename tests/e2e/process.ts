import { Problem } from "../../lib/base/errors.ts";

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string | undefined;
  env?: Record<string, string>;
  /** @default {120_000} */
  timeoutMs?: number;
}

/** Runs a program to its end. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    env: options.env ?? {},
    signal: AbortSignal.timeout(options.timeoutMs ?? 120_000),
  }).spawn();
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.input));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** The same for what must succeed. @returns standard output */
export async function must(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, options);
  if (code === 0) return stdout;
  throw new Problem({
    tried: command.join(" ").slice(0, 300),
    got: `exit code ${code}: ${(stderr || stdout).trim().slice(-1_500)}`,
  });
}

/** Repeats `look` until it gives something that is not undefined. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>, limitMs = 30_000): Promise<T> {
  const until = performance.now() + limitMs;
  let last: unknown = "nothing";
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    if (performance.now() > until) {
      throw new Problem({ tried: `wait for ${what}`, got: `${limitMs} ms are over; last: ${last}` });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
