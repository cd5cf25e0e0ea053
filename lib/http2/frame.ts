/** Frame types, RFC 9113 section 6. */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

/** Frame flags; ACK and END_STREAM share a bit, on different types. */
export const Flag = { ACK: 0x1, END_STREAM: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

export const FRAME_HEADER_BYTES = 9;

/** The largest payload that we take: the default, which every peer keeps to without asking (RFC 9113 section 4.2). */
export const MAX_FRAME_BYTES = 16_384;

/** `PRI * HTTP/2.0…`, what a client's connection starts with (RFC 9113 section 3.4). */
export const PREFACE: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export interface FrameHeader {
  lengthBytes: number;
  type: number;
  flags: number;
  streamId: number;
}

/** Reads the nine bytes at `offset`; the caller knows that they are there. */
export function readFrameHeader(bytes: Uint8Array, offset: number): FrameHeader {
  return {
    lengthBytes: bytes[offset]! << 16 | bytes[offset + 1]! << 8 | bytes[offset + 2]!,
    type: bytes[offset + 3]!,
    flags: bytes[offset + 4]!,
    streamId: readUint32(bytes, offset + 5) & 0x7fffffff,
  };
}

export function writeFrameHeader(bytes: Uint8Array, offset: number, header: FrameHeader): void {
  bytes[offset] = header.lengthBytes >>> 16;
  bytes[offset + 1] = header.lengthBytes >>> 8;
  bytes[offset + 2] = header.lengthBytes;
  bytes[offset + 3] = header.type;
  bytes[offset + 4] = header.flags;
  writeUint32(bytes, offset + 5, header.streamId);
}

/** A whole frame in bytes of its own; for the small ones (DATA is written in place, see `output.ts`). */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(bytes, 0, { lengthBytes: payload.length, type, flags, streamId });
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** A frame whose payload is 32-bit numbers: RST_STREAM, WINDOW_UPDATE, GOAWAY without text. */
export function numbersFrame(type: number, streamId: number, ...numbers: number[]): Uint8Array {
  const payload = new Uint8Array(numbers.length * 4);
  numbers.forEach((number, i) => writeUint32(payload, i * 4, number));
  return frame(type, 0, streamId, payload);
}

export function readUint32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24 | bytes[offset + 1]! << 16 | bytes[offset + 2]! << 8 | bytes[offset + 3]!) >>> 0;
}

function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
