import { abort } from "../base/tcp_abort.ts";
import { closeQuietly, ErrorCode, type Http2Stream, ReadBuffer, writeAll } from "../http2/mod.ts";
import type { TunnelStats } from "./engine.ts";

/**
 * Carries bytes between a stream that was answered 200 and a TCP connection until both directions have ended; closes the connection.
 *
 * END_STREAM becomes a half-close and a FIN becomes END_STREAM, each when all bytes before it are delivered; the other direction goes
 * on. RST_STREAM, or the end of the HTTP/2 connection, becomes a RST; a RST becomes RST_STREAM with CONNECT_ERROR (RFC 9113 section 8.5).
 */
export async function carry(stream: Http2Stream, conn: Deno.TcpConn, stats: TunnelStats): Promise<void> {
  stats.tunnelsOpen++;
  stats.tunnelsTotal++;
  stream.onReset = () => abort(conn);
  if (stream.isReset) abort(conn);
  try {
    const upload = carryUp(stream, conn, stats);
    await carryDown(stream, conn, stats);
    // The TCP side took no more, yet its own end was clean: the client is told to stop (RFC 9113 section 8.1).
    if (!await upload) stream.reset(ErrorCode.NO_ERROR);
  } finally {
    stats.tunnelsOpen--;
    stream.onReset = undefined;
    closeQuietly(conn);
  }
}

/** Returns false when the TCP side did not take everything; how the stream ends is then for the other direction to find. */
async function carryUp(stream: Http2Stream, conn: Deno.TcpConn, stats: TunnelStats): Promise<boolean> {
  try {
    for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
      const count = bytes.length;
      await writeAll(conn, bytes);
      stats.bytesIn += count;
      stream.taken(count);
    }
    await conn.closeWrite();
    return true;
  } catch {
    return false;
  }
}

async function carryDown(stream: Http2Stream, conn: Deno.TcpConn, stats: TunnelStats): Promise<void> {
  const buffer = new ReadBuffer();
  for (;;) {
    const count = await conn.read(buffer.bytes).catch(() => undefined);
    if (typeof count !== "number") {
      buffer.close(count === undefined);
      return count === null ? stream.end() : stream.reset(ErrorCode.CONNECT_ERROR);
    }
    stats.bytesOut += count;
    try {
      await stream.write(buffer.bytes.subarray(0, count));
    } catch {
      return buffer.close(); // Reset by the peer.
    }
    buffer.took(count);
  }
}
