/** Imports point one way: cmd → lib/<feature> → lib/base; features see of each other what their mod.ts shows. Files are whole and short. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);

interface Module {
  specifier: string;
  dependencies?: {
    specifier: string;
    code?: { specifier?: string };
    type?: { specifier?: string };
    isDynamic?: boolean;
  }[];
}

async function modulesOf(entry: string): Promise<Module[]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", fileURLToPath(new URL(entry, ROOT))],
    stdout: "piped",
    stderr: "null",
  }).output();
  assert(success, `deno info ${entry}`);
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

const ours = (specifier: string | undefined) =>
  specifier?.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : undefined;

/** File → the files it imports; `isDynamic` ones and types alone are of another kind. */
async function imports(): Promise<{ from: string; to: string; isDynamic: boolean; isTypeOnly: boolean }[]> {
  const edges = new Map<string, { from: string; to: string; isDynamic: boolean; isTypeOnly: boolean }>();
  for (const entry of ["cmd/main.ts", "mod.ts"]) {
    for (const { specifier, dependencies = [] } of await modulesOf(entry)) {
      const from = ours(specifier);
      for (const { code, type, isDynamic } of from ? dependencies : []) {
        const to = ours(code?.specifier ?? type?.specifier);
        if (to) edges.set(`${from} ${to}`, { from: from!, to, isDynamic: isDynamic === true, isTypeOnly: !code });
      }
    }
  }
  return [...edges.values()];
}

/** `lib/gcp/gke.ts` → `lib/gcp`, `lib/proxy/whitebox/x.ts` → `lib/proxy/whitebox`, `cmd/krun.ts` → `cmd`. */
const partOf = (file: string) => file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : "";
/** The feature: its first two words. */
const featureOf = (file: string) => partOf(file).split("/").slice(0, 2).join("/");

Deno.test("architecture: lib/base knows nothing of meshes, lib nothing of cmd", async () => {
  const wrong = (await imports()).filter(({ from, to }) =>
    (featureOf(from) === "lib/base" && featureOf(to) !== "lib/base" && to !== "deno.json") ||
    (from.startsWith("lib/") && to.startsWith("cmd")) || to.startsWith("tests")
  );
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: features import each other by their mod.ts", async () => {
  const wrong = (await imports()).filter(({ from, to }) =>
    featureOf(from) !== featureOf(to) && to.startsWith("lib/") && featureOf(to) !== "lib/base" &&
    !to.endsWith("/mod.ts")
  ).map(({ from, to }) => `${from} → ${to}`);
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: no feature needs, by whatever way, one that needs it", async () => {
  const needs = new Map<string, Set<string>>();
  for (const { from, to } of await imports()) {
    if (featureOf(from) === featureOf(to) || !to.startsWith("lib/")) continue;
    needs.set(featureOf(from), (needs.get(featureOf(from)) ?? new Set()).add(featureOf(to)));
  }
  const cycles: string[] = [];
  const walk = (at: string, way: string[]) => {
    if (way.includes(at)) return void cycles.push([...way.slice(way.indexOf(at)), at].join(" → "));
    for (const next of needs.get(at) ?? []) walk(next, [...way, at]);
  };
  for (const feature of needs.keys()) walk(feature, []);
  assert.deepEqual([...new Set(cycles)], []);
  assert(needs.size > 5);
});

Deno.test("architecture: a start loads no large library until a feature needs it", async () => {
  const modules = await modulesOf("cmd/krun.ts");
  const reached = new Set<string>();
  const walk = (specifier: string) => {
    if (reached.has(specifier)) return;
    reached.add(specifier);
    const { dependencies = [] } = modules.find((module) => module.specifier === specifier) ?? {};
    for (const { code, isDynamic } of dependencies) if (code?.specifier && !isDynamic) walk(code.specifier);
  };
  walk(new URL("cmd/krun.ts", ROOT).href);
  const packages = [...reached].filter((specifier) => specifier.startsWith("npm:"));
  assert.deepEqual(packages.filter((name) => /google-auth|yaml|kubernetes|grpc|forge|fast-check/.test(name)), []);
  assert(packages.some((name) => name.includes("valibot")), "the walk sees packages");
});

/** Files under version control; where there is no git, as in an image's build, all that are not made by tools. */
async function files(): Promise<string[]> {
  const listed = await new Deno.Command("git", { args: ["ls-files", "-z"], cwd: ROOT, stderr: "null" }).output()
    .catch(() => undefined);
  const names = listed?.success
    ? new TextDecoder().decode(listed.stdout).split("\0").filter(Boolean)
    : await walked("");
  return names.filter((name) => !/(^|\/)(LICENSE|deno\.lock)$/.test(name));
}

async function walked(below: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(below || ".", ROOT))) {
    if (/^(\.git|dist|node_modules)$/.test(name)) continue;
    found.push(...(isDirectory ? await walked(`${below}${name}/`) : [`${below}${name}`]));
  }
  return found;
}

/** Text of a file; empty for one that was removed and is listed still. */
const textOf = (name: string) => Deno.readTextFile(new URL(name, ROOT)).catch(() => "");

/** What says that something is left undone. The brackets keep this file from matching itself. */
const UNDONE = /\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b|\b[Nn]ot[ ]implemented\b/;
/** Output past the log and its redaction; scripts that tests hand to other processes may. */
const CONSOLE = /\bconsole[.]/;
const LONGEST_LINES = 400;

Deno.test("files: nothing is left undone, nothing is printed past the log, none is too long to be read at once", async () => {
  const names = await files();
  assert(names.includes("cmd/main.ts") && names.length > 100);
  const wrong: string[] = [];
  for (const name of names) {
    const lines = (await textOf(name)).split("\n");
    const isSource = name.endsWith(".ts");
    if (isSource && lines.length - 1 > LONGEST_LINES) wrong.push(`${name} has ${lines.length - 1} lines`);
    for (const [at, line] of lines.entries()) {
      const isWrong = UNDONE.test(line) || (isSource && !name.startsWith("tests/") && CONSOLE.test(line));
      if (isWrong) wrong.push(`${name}:${at + 1} ${line.trim()}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("files: every command in the documentation names the Deno of .dvmrc", async () => {
  const version = (await textOf(".dvmrc")).trim();
  const names = (await files()).filter((name) => name.endsWith(".md") && name !== "CHANGELOG.md");
  const found: string[] = [];
  for (const name of names) {
    for (const [command] of (await textOf(name)).matchAll(/\bdeno@[\w.]+/g)) found.push(`${name}: ${command}`);
  }
  assert.deepEqual(found.filter((command) => !command.endsWith(`deno@${version}`)), []);
  for (const name of ["README.md", "CONTRIBUTING.md"]) assert(found.some((command) => command.startsWith(name)), name);
  assert.equal(Deno.version.deno, version, "the Deno that runs the tests");
});
