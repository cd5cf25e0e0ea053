/**
 * The app at the end of a tunnel: a TCP server that is told in the first line what to do, in JSON.
 * `{"do": "send", "bytes": N}` sends N bytes of {@link pattern} and closes first; `{"do": "take"}` reads to the end, answers `<bytes> <sha256>`
 * and closes; `{"do": "echo"}` gives back what comes. HTTP on the other port says that it is ready.
 */
import { createHash } from "node:crypto";
import { pattern } from "./pattern.ts";

if (import.meta.main) {
  Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8080), onListen: () => {} }, () => new Response("ready\n"));
  for await (const connection of Deno.listen({ port: Number(Deno.env.get("PEER_PORT") ?? 9000) })) {
    serve(connection).catch(() => {}).finally(() => {
      try {
        connection.close();
      } catch { /* closed already */ }
    });
  }
}

async function serve(connection: Deno.TcpConn): Promise<void> {
  const { order, rest } = await firstLine(connection);
  const buffer = new Uint8Array(256 << 10);
  if (order.do === "send") {
    for (const block of pattern(order.bytes ?? 0)) await writeAll(connection, block);
    await connection.closeWrite();
    // the other side may still send: a close with unread bytes would be a reset
    while (await connection.read(buffer) !== null);
  } else if (order.do === "take") {
    const hash = createHash("sha256").update(rest);
    let total = rest.length;
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
      hash.update(buffer.subarray(0, n));
      total += n;
    }
    await writeAll(connection, new TextEncoder().encode(`${total} ${hash.digest("hex")}\n`));
    await connection.closeWrite();
  } else {
    await writeAll(connection, rest);
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
      await writeAll(connection, buffer.subarray(0, n));
    }
    await connection.closeWrite();
  }
}

async function firstLine(
  connection: Deno.TcpConn,
): Promise<{ order: { do: string; bytes?: number }; rest: Uint8Array }> {
  let held = new Uint8Array(0);
  const buffer = new Uint8Array(4096);
  for (;;) {
    const n = await connection.read(buffer);
    if (n === null) throw new Error("no order");
    const grown = new Uint8Array(held.length + n);
    grown.set(held);
    grown.set(buffer.subarray(0, n), held.length);
    held = grown;
    const end = held.indexOf(10);
    if (end >= 0) {
      return { order: JSON.parse(new TextDecoder().decode(held.subarray(0, end))), rest: held.subarray(end + 1) };
    }
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
