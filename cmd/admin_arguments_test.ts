import assert from "node:assert/strict";
import { adminHelp, type AdminUsage, flagsOf, parseAdminArguments } from "./admin_arguments.ts";

const USAGE: AdminUsage = {
  name: "register-service",
  summary: "does it",
  words: ["NAME"],
  flags: {
    port: { type: "string", multiple: true, value: "NAME=NUMBER", help: "a port" },
    output: { type: "string", choices: ["text", "json"], help: "form" },
    count: { type: "string", help: "how many" },
    timeout: { type: "string", help: "how long" },
    yes: { type: "boolean", help: "do not ask" },
    help: { type: "boolean", help: "this" },
  },
};
const parse = (...args: string[]) => parseAdminArguments(USAGE, args);

Deno.test("admin arguments: words and flags in any order", () => {
  const args = parse("--port", "http=80", "web", "--yes", "--port=grpc=90", "--count", "3");
  assert.deepEqual(args.words, ["web"]);
  assert.deepEqual(args.all("port"), ["http=80", "grpc=90"]);
  assert.deepEqual([args.is("yes"), args.is("help"), args.text("output")], [true, false, undefined]);
  assert.equal(args.number("count", { least: 1, most: 3 }), 3);
});

Deno.test("admin arguments: times", () => {
  const cases = { "90": 90_000, "90s": 90_000, "1.5m": 90_000, "2h": 7_200_000, "250ms": 250 };
  for (const [text, ms] of Object.entries(cases)) {
    assert.equal(parse("web", "--timeout", text).durationMs("timeout"), ms);
  }
});

const WRONG: [args: string[], use: (args: ReturnType<typeof parse>) => unknown, expected: RegExp][] = [
  [[], () => {}, /no NAME/],
  [["a", "b"], () => {}, /unexpected argument 'b'/],
  [["a", "--nope"], () => {}, /Unknown option '--nope'/],
  [["a", "--port"], () => {}, /argument missing/],
  [["a", "--output", "xml"], () => {}, /--output is "xml", it is one of text, json/],
  [["a", "--count="], () => {}, /--count is empty/],
  [["a", "--count", "4"], (args) => args.number("count", { least: 1, most: 3 }), /from 1 to 3/],
  [["a", "--count", "1e0"], (args) => args.number("count", { least: 1, most: 3 }), /whole number/],
  [["a", "--timeout", "soon"], (args) => args.durationMs("timeout"), /not a time such as 90s/],
  [["a"], (args) => args.required("count"), /no --count/],
];
for (const [args, use, expected] of WRONG) {
  Deno.test(`admin arguments: wrong: ${args.join(" ") || "none"} ${expected.source}`, () => {
    assert.throws(
      () => use(parse(...args)),
      (error: Error) => error.name === "UsageError" && expected.test(error.message),
    );
  });
}

Deno.test("admin arguments: --help needs no words, and names every flag", () => {
  assert.equal(parse("--help").is("help"), true);
  const text = adminHelp(USAGE);
  for (const flag of Object.keys(USAGE.flags)) assert.match(text, new RegExp(`--${flag}\\b`));
  assert.match(text, /cloud-run-mesh register-service NAME \[flags\]/);
  assert.match(text, /--port NAME=NUMBER …/);
});

Deno.test("admin arguments: a command's own flag wins over the one of that name that all have", () => {
  const region = { type: "string", multiple: true, help: "mine" } as const;
  const usage = { ...USAGE, flags: { region }, plan: () => {} };
  const flags = flagsOf(usage);
  assert.equal(flags["region"], region);
  assert("dry-run" in flags && "project" in flags);
  assert(!("dry-run" in flagsOf({ flags: {} })), "who only looks has no dry run");
  const args = parseAdminArguments({ ...usage, flags }, ["web", "--region", "a", "--region", "b"]);
  assert.deepEqual(args.all("region"), ["a", "b"]);
  assert.equal(args.text("region"), undefined);
  assert.throws(() => parseAdminArguments({ ...usage, flags }, ["web", "--region="]), /--region is empty/);
});
