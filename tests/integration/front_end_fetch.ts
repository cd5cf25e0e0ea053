/** A fetch that reaches an emulated front end by its hosts' own names: through a proxy that leads every CONNECT there. */
import type { Fetch } from "../../lib/base/http.ts";

export interface FrontEndFetch extends AsyncDisposable {
  /** Hosts of `*.a.run.app` at the front end, all else by `others`. */
  fetch: Fetch;
}

/** @param ca whom the front end's certificate is from */
export function frontEndFetch(port: number, ca: string, others: Fetch): FrontEndFetch {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  const done = accept(listener, port, open);
  const url = `http://127.0.0.1:${listener.addr.port}`;
  const client = Deno.createHttpClient({ proxy: { url }, caCerts: [ca] });
  return {
    fetch: (url, init) =>
      new URL(url).host.endsWith(".a.run.app") ? fetch(url, { ...init, client }) : others(url, init),
    async [Symbol.asyncDispose]() {
      client.close();
      listener.close();
      for (const conn of open) close(conn);
      await done;
    },
  };
}

async function accept(listener: Deno.TcpListener, port: number, open: Set<Deno.TcpConn>): Promise<void> {
  const serving: Promise<unknown>[] = [];
  try {
    for await (const conn of listener) serving.push(serve(conn, port, open).catch(() => {}));
  } catch { /* closed */ }
  await Promise.all(serving);
}

async function serve(client: Deno.TcpConn, port: number, open: Set<Deno.TcpConn>): Promise<void> {
  open.add(client);
  try {
    const head = new Uint8Array(4_096);
    let length = 0;
    while (!new TextDecoder().decode(head.subarray(0, length)).includes("\r\n\r\n")) {
      const count = await client.read(head.subarray(length));
      if (count === null) return;
      length += count;
    }
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    open.add(server);
    await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    const pump = (from: Deno.TcpConn, to: Deno.TcpConn) => from.readable.pipeTo(to.writable).catch(() => {});
    await Promise.all([pump(client, server), pump(server, client)]);
    open.delete(server);
    close(server);
  } finally {
    open.delete(client);
    close(client);
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch { /* it has ended */ }
}
