/** HTTP/2 on any byte connection, both roles: what the runtime's own loses at the end of a stream is kept (docs/tunnel-end.md). */
export { type ByteConn, closeQuietly, writeAll } from "./byte_conn.ts";
export { CHUNK_PAYLOAD_BYTES, giveChunk, takeChunk } from "./chunk_pool.ts";
export { ReadBuffer } from "./read_buffer.ts";
export { type ClientAnswer, Http2Client } from "./client.ts";
export { Http2Connection } from "./connection.ts";
export { ErrorCode, StreamReset } from "./errors.ts";
export { Flag, frame, FrameType, PREFACE, readUint32 } from "./frame.ts";
export { FrameReader } from "./frame_reader.ts";
export { AUTHORITY, FIELD_VALUE, ORIGIN_FORM, TOKEN } from "./grammar.ts";
export { encodeFields } from "./hpack_encoder.ts";
export type { RequestHead } from "./request.ts";
export { ServerRole } from "./server_role.ts";
export type { Field } from "./static_table.ts";
export type { Http2Stream } from "./stream.ts";
