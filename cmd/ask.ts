import { onAbort } from "../lib/base/on_abort.ts";

const LONGEST_ANSWER_BYTES = 1_024;

/**
 * Asks on standard error, since standard output may lead elsewhere, and takes a line from standard input. Not `prompt`, which keeps ^C to
 * itself.
 * @returns `undefined` at the end of input  @throws what `signal` is aborted with, meanwhile
 */
export async function ask(question: string, signal: AbortSignal): Promise<string | undefined> {
  Deno.stderr.writeSync(new TextEncoder().encode(`${question} `));
  const answer = new Uint8Array(LONGEST_ANSWER_BYTES);
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => {});
  onAbort(signal, () => {
    Deno.stderr.writeSync(new TextEncoder().encode("\n"));
    stopped.reject(signal.reason);
  });
  const length = await Promise.race([Deno.stdin.read(answer), stopped.promise]);
  return length === null ? undefined : new TextDecoder().decode(answer.subarray(0, length)).trim();
}
