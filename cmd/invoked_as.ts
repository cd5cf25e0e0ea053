import { basename } from "node:path";

/**
 * The name the program was started by: a link's own name, which the path of the executable does not tell.
 * Run from source it has none: the runtime's name says nothing.
 */
export function invokedAs(commandLine: () => string = () => Deno.readTextFileSync("/proc/self/cmdline")): string {
  if (!Deno.build.standalone) return "";
  try {
    return basename(commandLine().split("\0", 1)[0]!);
  } catch {
    return basename(Deno.execPath());
  }
}
