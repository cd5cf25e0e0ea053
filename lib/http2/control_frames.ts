import { ConnectionError, ErrorCode, StreamError } from "./errors.ts";
import { type FrameHeader, readUint32 } from "./frame.ts";

/** PRIORITY is read and ignored, but not when it makes no sense (RFC 9113 section 6.3). @throws {ConnectionError | StreamError} */
export function checkPriority(header: FrameHeader, payload: Uint8Array): void {
  if (header.streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "PRIORITY without stream");
  if (payload.length !== 5) throw new StreamError(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of wrong length");
  if ((readUint32(payload, 0) & 0x7fffffff) === header.streamId) {
    throw new StreamError(ErrorCode.PROTOCOL_ERROR, "stream depends on itself");
  }
}

/** The code of RST_STREAM. @throws {ConnectionError} */
export function resetCode(payload: Uint8Array): number {
  if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM of wrong length");
  return readUint32(payload, 0);
}

/** @throws {ConnectionError} */
export function checkPing(header: FrameHeader, payload: Uint8Array): void {
  if (header.streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
  if (payload.length !== 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "PING of wrong length");
}

/** The last stream that the sender of GOAWAY took. @throws {ConnectionError} */
export function lastTakenStream(header: FrameHeader, payload: Uint8Array): number {
  if (header.streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream");
  if (payload.length < 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY too short");
  return readUint32(payload, 0) & 0x7fffffff;
}

/** The increment of WINDOW_UPDATE; 0 is wrong, for its stream or for the connection. @throws {ConnectionError} */
export function windowIncrement(payload: Uint8Array): number {
  if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE of wrong length");
  return readUint32(payload, 0) & 0x7fffffff;
}
