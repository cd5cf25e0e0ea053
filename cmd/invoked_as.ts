import { basename } from "node:path";
import process from "node:process";

/**
 * The name the program was started by: a link's own name, which the path of the executable does not tell.
 * Run from source it has none: the runtime's name says nothing.
 */
export function invokedAs(standalone: boolean = Deno.build.standalone, argv0: string = process.argv0): string {
  return standalone ? basename(argv0) : "";
}
