/** Makes a server of the loopback, or of another address, reachable at every address of this machine. */
export function relay(port: number, hostname = "127.0.0.1"): AsyncDisposable & { port: number } {
  const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const open = new Set<Deno.Conn>();
  const done = (async () => {
    for await (const outer of listener) {
      const inner = await Deno.connect({ hostname, port });
      for (const connection of [outer, inner]) open.add(connection);
      for (const [from, to] of [[outer, inner], [inner, outer]] as const) {
        from.readable.pipeTo(to.writable).catch(() => {}).finally(() => open.delete(from));
      }
    }
  })().catch(() => {});
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) {
        try {
          connection.close();
        } catch { /* closed by its stream */ }
      }
      await done;
    },
  };
}
