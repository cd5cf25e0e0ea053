/** Bits of CAP_CHOWN, CAP_SETGID and CAP_SETUID, capabilities(7). */
const ACT_AS_OTHERS = [0n, 6n, 7n];
/** Bit of CAP_NET_ADMIN. */
const NET_ADMIN = [12n];

let known: boolean | undefined;

/**
 * Whether this process may become other users and give files away: root with the capabilities for it. A root whose capabilities were
 * dropped is a user like any other.
 */
export function mayActAsOthers(): boolean {
  return known ??= Deno.uid() === 0 && hasCapabilities(ownStatus());
}

/** Whether this process may change the rules of its network; where the system does not tell, it may. */
export function mayAdministerNetwork(): boolean {
  return hasCapabilities(ownStatus(), NET_ADMIN);
}

/** Reads `CapEff` of /proc/self/status; without that line root is taken to have all. */
export function hasCapabilities(status: string, needed: readonly bigint[] = ACT_AS_OTHERS): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (!effective) return true;
  const bits = BigInt(`0x${effective}`);
  return needed.every((bit) => (bits >> bit & 1n) === 1n);
}

function ownStatus(): string {
  try {
    return Deno.readTextFileSync("/proc/self/status");
  } catch {
    return "";
  }
}
