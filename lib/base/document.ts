import { namesOf } from "./common_js.ts";

/**
 * Reads JSON or YAML; the YAML parser is loaded only where the text is not JSON, since it is large.
 * @throws {SyntaxError} says where the text is broken, and never what stands there: it may be a secret
 */
export async function parseDocument(text: string): Promise<unknown> {
  if (/^\s*[[{]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch { /* YAML has a flow style that begins like JSON */ }
  }
  const { parse, YAMLParseError } = namesOf(await import("yaml"));
  try {
    return parse(text, { logLevel: "error" });
  } catch (error) {
    const line = error instanceof YAMLParseError ? error.linePos?.[0].line : undefined;
    throw new SyntaxError(`neither JSON nor YAML${line ? `: broken at line ${line}` : ""}`);
  }
}

/** The value as YAML. */
export async function yamlOf(value: unknown): Promise<string> {
  return namesOf(await import("yaml")).stringify(value);
}
