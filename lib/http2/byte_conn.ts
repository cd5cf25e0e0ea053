/** What a connection must be able to do; `Deno.TcpConn` is one. */
export interface ByteConn {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the sending side; the other goes on. */
  closeWrite?(): Promise<void>;
  close(): void;
}

/** Writes all of `bytes`; a TCP write may take a part only. */
export async function writeAll(conn: Pick<ByteConn, "write">, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(sent === 0 ? bytes : bytes.subarray(sent));
}

/** Closes what may be closed already. */
export function closeQuietly(conn: { close(): void }): void {
  try {
    conn.close();
  } catch {
    // Deno throws BadResource on a second close.
  }
}
