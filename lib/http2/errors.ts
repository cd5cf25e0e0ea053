/** HTTP/2 error codes, RFC 9113 section 7. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
} as const;

/** The peer broke the connection's rules: it gets GOAWAY with `code`, and every stream ends. */
export class ConnectionError extends Error {
  override name = "ConnectionError";
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

/** One stream is wrong: it gets RST_STREAM with `code`; the connection goes on. */
export class StreamError extends Error {
  override name = "StreamError";
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

/** What a stream's reader and writer throw once the stream was reset, by either side or with its connection. */
export class StreamReset extends Error {
  override name = "StreamReset";
  constructor(readonly code: number) {
    super(`HTTP/2 stream reset with code ${code}`);
  }
}
