import { endProcess } from "../../lib/base/child.ts";
import { linesOf } from "../../lib/base/lines.ts";
import type { E2eSettings } from "./settings.ts";
import { eventually, must, type Ran, run } from "./process.ts";

export interface ContainerOptions {
  image: string;
  name: string;
  env?: Readonly<Record<string, string>>;
  /** Host directory or file → path in the container, read-only. */
  mounts?: Readonly<Record<string, string>>;
  entrypoint?: string;
  command?: readonly string[];
  /** Further options of the engine's `run`. */
  options?: readonly string[];
}

/** A running container; disposing it stops it. */
export class Container implements AsyncDisposable {
  readonly #lines: string[] = [];
  readonly #output: Promise<unknown>;
  ended = false;
  /** When it and its output have ended. */
  readonly exitCode: Promise<number>;

  private constructor(
    readonly options: ContainerOptions,
    private readonly engine: readonly string[],
    private readonly child: Deno.ChildProcess,
  ) {
    this.#output = Promise.all([child.stdout, child.stderr].map(async (stream) => {
      for await (const line of linesOf(stream)) this.#lines.push(line);
    }));
    child.status.then(() => this.ended = true);
    this.exitCode = Promise.all([child.status, this.#output]).then(([{ code }]) => code);
  }

  /** @param how words that start a container; by default those of the runtime */
  static start(
    settings: E2eSettings,
    runtime: string,
    options: ContainerOptions,
    how = settings.runtimes[runtime]!,
  ): Container {
    const words = [...how, "--name", options.name];
    for (const [name, value] of Object.entries(options.env ?? {})) words.push("-e", `${name}=${value}`);
    for (const [from, to] of Object.entries(options.mounts ?? {})) words.push("-v", `${from}:${to}:ro`);
    words.push(...options.options ?? []);
    if (options.entrypoint) words.push("--entrypoint", options.entrypoint);
    words.push(options.image, ...options.command ?? []);
    const child = new Deno.Command(words[0]!, { args: words.slice(1), stdin: "null", stdout: "piped", stderr: "piped" })
      .spawn();
    return new Container(options, settings.engines[runtime]!, child);
  }

  /** Everything it has written. */
  log(): string {
    return this.#lines.join("\n");
  }

  /** Waits until a line contains `text`. */
  async said(text: string, limitMs = 30_000): Promise<string> {
    return await eventually(`"${text}" in the log of ${this.options.name}`, () => {
      const line = this.#lines.find((line) => line.includes(text));
      if (line === undefined && this.ended) throw new Error(`the container has ended:\n${this.log()}`);
      return Promise.resolve(line);
    }, limitMs).catch((error) => {
      throw new Error(`${error.message}\n--- log of ${this.options.name}\n${this.log()}`);
    });
  }

  exec(command: readonly string[], env: Readonly<Record<string, string>> = {}, timeoutMs = 120_000): Promise<Ran> {
    const variables = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    return run([...this.engine, "exec", ...variables, this.options.name, ...command], { timeoutMs });
  }

  /** Environment of the first process whose command line contains `part`. */
  async environmentOf(part: string): Promise<Record<string, string>> {
    const script = 'for p in /proc/[0-9]*; do if tr "\\0" " " < $p/cmdline | grep -q "^[^ ]*' + part +
      '"; then cat $p/environ; exit 0; fi; done; exit 1';
    const { code, stdout, stderr } = await this.exec(["sh", "-c", script]);
    if (code !== 0) throw new Error(`no process ${part} in ${this.options.name}: ${stderr}\n${this.log()}`);
    return Object.fromEntries(
      stdout.split("\0").filter((entry) => entry.includes("=")).map((entry) => {
        const at = entry.indexOf("=");
        return [entry.slice(0, at), entry.slice(at + 1)];
      }),
    );
  }

  /** SIGTERM by the engine, SIGKILL after `graceSeconds`. @returns milliseconds until it was gone */
  async stop(graceSeconds = 10): Promise<number> {
    const started = performance.now();
    if (!this.ended) await run([...this.engine, "stop", "-t", String(graceSeconds), this.options.name]);
    await this.child.status;
    await this.#output;
    return performance.now() - started;
  }

  /** As by kill -9 from outside: it has no time for anything. */
  async kill(): Promise<void> {
    await run([...this.engine, "kill", "-s", "KILL", this.options.name]);
    await this.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(3);
    if (!this.ended) await endProcess(this.child, 1_000);
    await run([...this.engine, "rm", "-f", this.options.name]).catch(() => {});
  }
}

/** Builds an image from the repository's root. */
export async function buildImage(
  settings: E2eSettings,
  tag: string,
  dockerfile: string,
  args: Readonly<Record<string, string>>,
): Promise<void> {
  const build = Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  await must([...settings.build, "-t", tag, "-f", dockerfile, ...build, "."], { timeoutMs: 600_000 });
}
