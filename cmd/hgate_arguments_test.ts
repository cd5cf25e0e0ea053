import assert from "node:assert/strict";
import { UsageError } from "../lib/base/errors.ts";
import { hgateHelp, parseHgateArguments } from "./hgate_arguments.ts";

Deno.test("hgate's arguments: an action, flags in any place", () => {
  const parsed = (...args: string[]) => {
    const { action, flags } = parseHgateArguments(args);
    return { action, ...flags };
  };
  assert.deepEqual(parsed(), { action: "run" });
  assert.deepEqual(parsed("--engine", "embedded", "--debug"), { action: "run", engine: "embedded", debug: true });
  assert.deepEqual(parsed("routes", "--output=json"), { action: "routes", output: "json" });
  assert.deepEqual(parsed("--envoy-dir", "/x", "envoy-bootstrap"), {
    action: "envoy-bootstrap",
    "envoy-dir": "/x",
  });
});

for (
  const [args, got] of [
    [["--nope"], "Unknown option '--nope'"],
    [["start"], "unexpected argument 'start'"],
    [["routes", "more"], "unexpected argument 'more'"],
    [["--engine"], "Option '--engine <value>' argument missing"],
  ] as const
) {
  Deno.test(`hgate ${args.join(" ")} is wrong use`, () => {
    assert.throws(
      () => parseHgateArguments(args),
      (error: unknown) => error instanceof UsageError && error.got === got && error.fix === "hgate --help",
    );
  });
}

Deno.test("hgate's help: every flag, its variable, every action", () => {
  for (const text of ["--engine ", "(HGATE_ENGINE)", "hgate routes", "hgate envoy-bootstrap"]) {
    assert.ok(hgateHelp().includes(text), text);
  }
});
