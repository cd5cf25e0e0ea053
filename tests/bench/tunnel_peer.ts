/**
 * The TCP side of the tunnel benchmark, in a process of its own. The first byte says what to do: S send so many bytes as the argument
 * says; R swallow as many, or all until the end, then answer `done`; E echo.
 */
const SIZE_BYTES = Number(Deno.args[0]);
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
Deno.stdout.writeSync(new TextEncoder().encode(`${(listener.addr as Deno.NetAddr).port}\n`));

for await (const conn of listener) {
  conn.setNoDelay(true);
  serve(conn).catch(() => {}).finally(() => {
    try {
      conn.close();
    } catch {
      // Closed already.
    }
  });
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(131_072);
  const count = await conn.read(buffer.subarray(0, 1));
  if (count === null) return;
  const order = String.fromCharCode(buffer[0]!);
  if (order === "S") {
    for (let sent = 0; sent < SIZE_BYTES;) {
      sent += await conn.write(buffer.subarray(0, Math.min(buffer.length, SIZE_BYTES - sent)));
    }
    await conn.closeWrite();
  }
  if (order === "E") {
    for (let read = await conn.read(buffer); read !== null; read = await conn.read(buffer)) {
      for (let sent = 0; sent < read;) sent += await conn.write(buffer.subarray(sent, read));
    }
  }
  if (order === "R") {
    for (let got = 0; got < SIZE_BYTES;) {
      const read = await conn.read(buffer);
      if (read === null) break;
      got += read;
    }
    await conn.write(new TextEncoder().encode("done"));
  }
  while (await conn.read(buffer) !== null);
}
