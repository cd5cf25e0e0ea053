const LOWEST = 20_000;
/** Linux gives out ports from 32768 on by itself. */
const HIGHEST = 32_000;

/**
 * A port of the loopback that nobody listens on. It is none of those that the system gives out by itself, so that it is still free when a
 * program that is started with it asks for it.
 */
export function freePort(): number {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
