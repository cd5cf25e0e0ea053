import assert from "node:assert/strict";
import { canBind } from "./can_bind.ts";
import { abort, closeAbortLibrary } from "./tcp_abort.ts";

async function pair(listen: string, connect: string): Promise<{ server: Deno.TcpConn; client: Deno.TcpConn }> {
  using listener = Deno.listen({ hostname: listen, port: 0 });
  const connecting = Deno.connect({ hostname: connect, port: (listener.addr as Deno.NetAddr).port });
  const [server, client] = await Promise.all([listener.accept(), connecting]);
  return { server, client };
}

for (
  const { name, listen, connect, ipv6 } of [
    { name: "IPv4", listen: "127.0.0.1", connect: "127.0.0.1", ipv6: false },
    { name: "IPv4 at a listener for both families", listen: "::", connect: "127.0.0.1", ipv6: true },
    { name: "IPv6", listen: "::1", connect: "::1", ipv6: true },
  ]
) {
  Deno.test({
    name: `abort: the peer reads a reset, and no other connection is touched: ${name}`,
    ignore: Deno.build.os !== "linux" || (ipv6 && !canBind("::1")),
    async fn() {
      const pairs = await Promise.all(Array.from({ length: 5 }, () => pair(listen, connect)));
      for (const { server } of pairs.slice(1, 4)) abort(server);
      for (const [at, { client, server }] of pairs.entries()) {
        const read = client.read(new Uint8Array(1));
        if (at >= 1 && at < 4) await assert.rejects(read, Deno.errors.ConnectionReset);
        else {
          server.close();
          assert.equal(await read, null);
        }
        client.close();
      }
      closeAbortLibrary();
    },
  });
}
