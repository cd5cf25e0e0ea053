import type { Run } from "./run.ts";

/**
 * Envoy binds connections to the app to ::6, so that the rules tell them from the app's own. 127.0.0.6 belongs to the
 * loopback by its length of 8 bits; ::6 has to be added.
 * @returns what takes it away again, undefined where it was there; or why it cannot be had
 */
export async function addPassthroughAddress(run: Run): Promise<(() => Promise<void>) | undefined | string> {
  const output = await run("ip", ["-6", "address", "add", "::6/128", "dev", "lo"]);
  if (!output) return "ip is not installed (package iproute2)";
  if (output.code === 0) return async () => void await run("ip", ["-6", "address", "delete", "::6/128", "dev", "lo"]);
  return /exists|already assigned/.test(output.stderr) ? undefined : output.stderr.trim().split("\n")[0] ?? "";
}
