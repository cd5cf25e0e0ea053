import * as v from "valibot";
import { Problem } from "./errors.ts";
import { redact } from "./secret.ts";

/** Parses `text` as JSON of the given shape; `what` says whose answer it is, e.g. `list GKE clusters of project p1 (GET …)`. */
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
    throw new Problem({ tried: what, got: `an answer that is no JSON: ${excerpt(text)}`, fix });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const issue = result.issues[0];
  const at = v.getDotPath(issue);
  throw new Problem({
    tried: what,
    got: `an answer without its expected form${at ? ` at ${at}` : ""}: ${redact(issue.message)}`,
    fix,
  });
}

function excerpt(text: string): string {
  const line = redact(text.replace(/\s+/g, " ").trim());
  return line.length > 80 ? `"${line.slice(0, 80)}…"` : `"${line}"`;
}
