import * as v from "valibot";
import { Problem } from "./errors.ts";

/**
 * Parses `text` as JSON of the given shape; `what` says whose answer it is, e.g. `list GKE clusters of project p1 (GET …)`.
 * No error shows a value of the answer: one of the wrong form may hold a token in any place.
 */
export function parseAs<S extends v.GenericSchema>(
  schema: S,
  text: string,
  what: string,
  fix?: string,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Problem({ tried: what, got: `an answer that is no JSON (${describeText(text)})`, fix });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw new Problem({ tried: what, got: `an answer without its expected form${describeIssue(result.issues[0])}`, fix });
}

/** ` at users.0.user.token: expected string, got a number`: where, and not what. */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  const at = v.getDotPath(issue);
  const expected = issue.expected ?? issue.message;
  const got = issue.input === undefined
    ? "nothing"
    : issue.input === null
    ? "null"
    : `a value of type ${Array.isArray(issue.input) ? "array" : typeof issue.input}`;
  return `${at ? ` at ${at}` : ""}: expected ${expected}, got ${got}`;
}

function describeText(text: string): string {
  const kind = text === "" ? "" : /^\s*</.test(text) ? " of HTML" : /^\s*[[{]/.test(text) ? " of broken JSON" : "";
  return `${new TextEncoder().encode(text).length} bytes${kind}`;
}
