/** Network namespaces of the capture tests: rules are never made outside of them. */
import assert from "node:assert/strict";
import { type Run, runHere } from "../../lib/capture/mod.ts";

/** Why the tests cannot run here, or undefined. */
export async function cannotHaveNamespaces(): Promise<string | undefined> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "needs root on Linux";
  for (const [program, ...args] of [["ip", "-V"], ["setpriv", "--version"], ["iptables", "--version"]]) {
    if (!await runHere(program!, args)) return `needs ${program}`;
  }
  const name = uniqueName();
  const output = await runHere("ip", ["netns", "add", name]);
  if (output?.code !== 0) return `needs network namespaces: ${output?.stderr.trim()}`;
  await runHere("ip", ["netns", "delete", name]);
  return undefined;
}

export function uniqueName(): string {
  return `kcap-${crypto.randomUUID().slice(0, 8)}`;
}

/** A namespace with a loopback, removed at the end with everything in it. */
export class Namespace implements AsyncDisposable {
  private constructor(readonly name: string) {}

  static async make(): Promise<Namespace> {
    const name = uniqueName();
    await must("ip", ["netns", "add", name]);
    await must("ip", ["-n", name, "link", "set", "lo", "up"]);
    return new Namespace(name);
  }

  /** Runs programs inside. */
  readonly run: Run = (program, args, input) => this.#inside([], program, args, input);

  /** Runs programs inside by way of another, e.g. `setpriv …`. */
  runBy(...prefix: string[]): Run {
    return (program, args, input) => this.#inside(prefix, program, args, input);
  }

  async #inside(prefix: readonly string[], program: string, args: readonly string[], input?: string) {
    const output = await runHere("ip", ["netns", "exec", this.name, ...prefix, program, ...args], input);
    const notFound = output && output.code !== 0 && /No such file or directory/.test(output.stderr) &&
      output.stderr.includes(program);
    return notFound ? undefined : output;
  }

  async must(program: string, ...args: string[]): Promise<string> {
    const output = await this.run(program, args);
    assert(output?.code === 0, `${program} ${args.join(" ")}: ${output?.stderr}`);
    return output.stdout;
  }

  /** What `iptables-save` prints of tables that hold anything, without times and counters. */
  async saved(backend: "nft" | "legacy" = "nft"): Promise<string> {
    const texts = await Promise.all(
      ["iptables", "ip6tables"].map((program) => this.must(`${program}-${backend}-save`)),
    );
    return texts.join("--\n").split("\n").filter((line) => !line.startsWith("#")).join("\n")
      .replace(/\*\w+\n(:.* [A-Z]+ \[\d+:\d+\]\n)*COMMIT\n/g, "").replace(/\[\d+:\d+\]/g, "[0:0]");
  }

  /** Feeds iptables-restore: foreign rules, or none at all. */
  async restore(text: string, program = "iptables-nft-restore", ...args: string[]): Promise<void> {
    const output = await this.run(program, args, text);
    assert.equal(output?.code, 0, output?.stderr ?? "no output");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(`/etc/netns/${this.name}`, { recursive: true }).catch(() => {});
    await must("ip", ["netns", "delete", this.name]);
  }
}

export async function must(program: string, args: readonly string[]): Promise<string> {
  const output = await runHere(program, args);
  assert(output?.code === 0, `${program} ${args.join(" ")}: ${output?.stderr}`);
  return output.stdout;
}
