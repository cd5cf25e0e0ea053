import { ConnectionError, ErrorCode } from "./errors.ts";
import { Flag, frame, FrameType, MAX_FRAME_BYTES, readUint32 } from "./frame.ts";

/** Identifiers of RFC 9113 section 6.5.2 that are used here. */
const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

/** What the peer asks of us. */
export interface PeerSettings {
  windowBytes: number;
  frameBytes: number;
  maxStreams: number;
  /** It once asked for a smaller header table than the default. */
  smallTable: boolean;
}

/** HPACK table of a peer that says nothing. */
const DEFAULT_TABLE_BYTES = 4_096;

export const DEFAULT_PEER_SETTINGS: Readonly<PeerSettings> = {
  windowBytes: 65_535,
  frameBytes: MAX_FRAME_BYTES,
  maxStreams: Infinity,
  smallTable: false,
};

/** `before` changed by a SETTINGS payload. @throws {ConnectionError} */
export function applySettings(before: Readonly<PeerSettings>, payload: Uint8Array): PeerSettings {
  if (payload.length % 6 !== 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of odd length");
  const after = { ...before };
  for (let at = 0; at < payload.length; at += 6) {
    const id = payload[at]! << 8 | payload[at + 1]!;
    const value = readUint32(payload, at + 2);
    if (id === Setting.HEADER_TABLE_SIZE && value < DEFAULT_TABLE_BYTES) after.smallTable = true;
    if (id === Setting.ENABLE_PUSH && value > 1) throw invalid("ENABLE_PUSH");
    if (id === Setting.MAX_CONCURRENT_STREAMS) after.maxStreams = value;
    if (id === Setting.INITIAL_WINDOW_SIZE) {
      if (value > 0x7fffffff) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE too large");
      after.windowBytes = value;
    }
    if (id === Setting.MAX_FRAME_SIZE) {
      if (value < 16_384 || value > 16_777_215) throw invalid("MAX_FRAME_SIZE");
      after.frameBytes = value;
    }
  }
  return after;
}

/** Our SETTINGS frame; windows and frame size stay at the protocol's defaults. */
export function settingsFrame(
  options: { role: "server" | "client"; maxStreams: number; maxHeaderBytes: number },
): Uint8Array {
  const pairs: [number, number][] = [[Setting.MAX_HEADER_LIST_SIZE, options.maxHeaderBytes]];
  if (options.role === "server") pairs.push([Setting.MAX_CONCURRENT_STREAMS, options.maxStreams]);
  else pairs.push([Setting.ENABLE_PUSH, 0]);
  const payload = new Uint8Array(pairs.length * 6);
  const view = new DataView(payload.buffer);
  pairs.forEach(([id, value], i) => {
    view.setUint16(i * 6, id);
    view.setUint32(i * 6 + 2, value);
  });
  return frame(FrameType.SETTINGS, 0, 0, payload);
}

export const SETTINGS_ACK: Uint8Array = frame(FrameType.SETTINGS, Flag.ACK, 0, new Uint8Array());

function invalid(name: string): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, `invalid ${name}`);
}
