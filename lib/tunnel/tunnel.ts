import { abort } from "../base/tcp_abort.ts";
import {
  CHUNK_PAYLOAD_BYTES,
  closeQuietly,
  ErrorCode,
  giveChunk,
  type Http2Stream,
  takeChunk,
  writeAll,
} from "../http2/mod.ts";
import type { TunnelStats } from "./engine.ts";

/** What an idle tunnel waits with; a TLS record's head or a short message fits. */
const IDLE_BUFFER_BYTES = 1_024;
/** A read this long says that more is coming: then the tunnel reads with a whole chunk. */
const BUSY_READ_BYTES = 16_384;

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
  const idle = new Uint8Array(IDLE_BUFFER_BYTES);
  let chunk: Uint8Array<ArrayBuffer> | undefined;
  for (;;) {
    const buffer: Uint8Array = chunk?.subarray(0, CHUNK_PAYLOAD_BYTES) ?? idle;
    const count: number | null | undefined = await conn.read(buffer).catch(() => undefined);
    // An aborted connection's read may still write into the chunk: it is left to the garbage collector.
    if (count === undefined) return stream.reset(ErrorCode.CONNECT_ERROR);
    if (count === null) {
      if (chunk) giveChunk(chunk);
      return stream.end();
    }
    stats.bytesOut += count;
    try {
      await stream.write(buffer.subarray(0, count));
    } catch {
      return; // Reset by the peer.
    }
    const busy = count === IDLE_BUFFER_BYTES || count >= BUSY_READ_BYTES;
    if (busy) chunk ??= takeChunk();
    else if (chunk) {
      giveChunk(chunk);
      chunk = undefined;
    }
  }
}
