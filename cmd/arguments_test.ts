import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../lib/base/errors.ts";
import { krunHelp, parseKrunArguments } from "./arguments.ts";

const CASES: [args: string[], expected: Partial<ReturnType<typeof parseKrunArguments>>][] = [
  [[], { flags: {}, action: "run", command: [] }],
  [["app", "--debug"], { flags: {}, command: ["app", "--debug"] }],
  [["--debug", "--mesh", "gke://p", "app", "-x"], { flags: { debug: true, mesh: "gke://p" }, command: ["app", "-x"] }],
  [["--mesh=gke://p", "--", "--app"], { flags: { mesh: "gke://p" }, command: ["--app"] }],
  [["--", "config"], { action: "run", command: ["config"] }],
  [["config", "--output", "json"], { action: "config", flags: { output: "json" }, command: [] }],
  [["app", "--", "x"], { command: ["app", "--", "x"] }],
];
for (const [args, expected] of CASES) {
  Deno.test(`krun ${args.join(" ")}`, () => {
    const parsed = parseKrunArguments(args);
    assert.deepEqual({ ...parsed, flags: { ...parsed.flags } }, { ...parsed, flags: { ...parsed.flags }, ...expected });
  });
}

const WRONG: [args: string[], got: string][] = [
  [["--nope"], "Unknown option '--nope'"],
  [["-x"], "Unknown option '-x'"],
  [["--mesh"], "Option '--mesh <value>' argument missing"],
  [["config", "app"], "unexpected argument 'app'"],
];
for (const [args, got] of WRONG) {
  Deno.test(`krun ${args.join(" ")} is wrong use`, () => {
    assert.throws(() => parseKrunArguments(args), (error: unknown) => {
      assert(error instanceof UsageError);
      assert.deepEqual([error.got, error.fix], [got, "krun --help"]);
      return true;
    });
  });
}

Deno.test("arguments: any give flags and a command, or a UsageError; the app's own are never touched", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("--", "-", "--debug", "--mesh", "--mesh=x", "config", "--__proto__"),
  );
  fc.assert(fc.property(fc.array(word), (args) => {
    try {
      const { command } = parseKrunArguments(args);
      assert.deepEqual(command, args.slice(args.length - command.length));
    } catch (error) {
      assert(error instanceof UsageError, String(error));
    }
  }));
});

Deno.test("help: every flag, its variable", () => {
  const help = krunHelp();
  for (const text of ["--mesh ", "(MESH)", "--namespace ", "krun config"]) assert(help.includes(text), text);
});
