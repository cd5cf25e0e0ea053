/** A long run says where it is. */
export function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`e2e: ${text}\n`));
}
