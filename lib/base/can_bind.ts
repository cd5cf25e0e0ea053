/** Whether a port of `hostname` can be had: `::` and `::1` cannot in a container without IPv6. */
export function canBind(hostname: string): boolean {
  try {
    Deno.listen({ hostname, port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}
