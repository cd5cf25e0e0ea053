import { Problem } from "../base/errors.ts";

/**
 * A proxy that runs already would answer for the one that is to be started, which cannot listen and ends.
 * @throws {Problem} one of the ports is taken
 */
export function requireFree(program: string, ports: readonly number[]): void {
  for (const port of ports) {
    try {
      Deno.listen({ hostname: "0.0.0.0", port }).close();
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) continue;
      throw new Problem({
        tried: `start ${program}`,
        got: `its port ${port} is taken: another proxy runs in this network`,
        fix: `end that process (ss -ltnp 'sport = :${port}'), or give krun a container of its own`,
        cause: error,
      });
    }
  }
}
