import { Problem } from "./errors.ts";

/**
 * Path of a program: the one given, else the first in PATH or /usr/local/bin.
 * @throws {Problem} it is not there or cannot be executed
 */
export async function findProgram(
  name: string,
  options: { given?: string | undefined; variable: string; path: string | undefined; fix: string },
): Promise<string> {
  const places = options.given
    ? [options.given]
    : [...new Set([...(options.path ?? "").split(":").filter((part) => part !== ""), "/usr/local/bin"])]
      .map((directory) => `${directory}/${name}`);
  for (const place of places) {
    const info = await Deno.stat(place).catch(() => undefined);
    if (!info?.isFile) continue;
    if (((info.mode ?? 0) & 0o111) !== 0) return place;
    if (options.given) {
      throw new Problem({
        tried: `start ${place} (${options.variable})`,
        got: "not executable",
        fix: `chmod +x ${place}`,
      });
    }
  }
  const looked = options.given ? options.given : `PATH (${options.path ?? ""}) and /usr/local/bin`;
  throw new Problem({ tried: `find ${name} in ${looked}`, got: "no such program", fix: options.fix });
}
