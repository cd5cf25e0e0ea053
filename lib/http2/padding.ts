import { ConnectionError, ErrorCode } from "./errors.ts";
import { Flag, type FrameHeader, readUint32 } from "./frame.ts";

/** The payload of DATA or HEADERS without its padding. @throws {ConnectionError} */
export function withoutPadding(header: FrameHeader, payload: Uint8Array): Uint8Array {
  if (!(header.flags & Flag.PADDED)) return payload;
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length) {
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "padding longer than its frame");
  }
  return payload.subarray(1, payload.length - padding);
}

/** The header block of HEADERS without its priority, and the stream it depends on. @throws {ConnectionError} */
export function withoutPriority(header: FrameHeader, payload: Uint8Array): { block: Uint8Array; dependsOn?: number } {
  if (!(header.flags & Flag.PRIORITY)) return { block: payload };
  if (payload.length < 5) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for its priority");
  return { block: payload.subarray(5), dependsOn: readUint32(payload, 0) & 0x7fffffff };
}
