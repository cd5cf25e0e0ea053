/** Bits of CAP_CHOWN, CAP_SETGID and CAP_SETUID, capabilities(7). */
const NEEDED = [0n, 6n, 7n];

let known: boolean | undefined;

/**
 * Whether this process may become other users and give files away: root with the capabilities for it. A root whose capabilities were
 * dropped is a user like any other.
 */
export function mayActAsOthers(): boolean {
  return known ??= Deno.uid() === 0 && hasCapabilities(ownStatus());
}

/** Reads `CapEff` of /proc/self/status; without that line root is taken to have all. */
export function hasCapabilities(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (!effective) return true;
  const bits = BigInt(`0x${effective}`);
  return NEEDED.every((bit) => (bits >> bit & 1n) === 1n);
}

function ownStatus(): string {
  try {
    return Deno.readTextFileSync("/proc/self/status");
  } catch {
    return "";
  }
}
