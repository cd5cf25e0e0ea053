import { type ByteConn, closeQuietly } from "./byte_conn.ts";
import { checkPing, checkPriority, lastTakenStream, resetCode, windowIncrement } from "./control_frames.ts";
import { ConnectionError, ErrorCode, StreamError } from "./errors.ts";
import { CHEAP_FRAMES, EARLY_RESETS, FloodGuard } from "./flood.ts";
import { Flag, frame, type FrameHeader, FrameType, numbersFrame, PREFACE } from "./frame.ts";
import { FrameReader } from "./frame_reader.ts";
import { type HeaderBlock, HeaderBlockAssembly } from "./header_block.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import { encodeFields } from "./hpack_encoder.ts";
import { Output } from "./output.ts";
import { withoutPadding } from "./padding.ts";
import { applySettings, DEFAULT_PEER_SETTINGS, type PeerSettings, SETTINGS_ACK, settingsFrame } from "./settings.ts";
import type { Field } from "./static_table.ts";
import { StreamTable } from "./stream_table.ts";
import { dataFlags, Http2Stream, type StreamHost } from "./stream.ts";

/** Header list, and header block on the wire. */
export const MAX_HEADER_BYTES = 65_536;
/** Streams at once; Cloud Run's front end uses 100. */
export const MAX_STREAMS = 256;
/** Bounds nothing (streams bound themselves), so it never stands in a stream's way. */
const CONNECTION_WINDOW_BYTES = 2 ** 24;
const LARGEST_WINDOW = 0x7fffffff;
/** For the last frames of a connection whose peer does not read. */
const CLOSE_FLUSH_MS = 500;

/** What a connection does with its streams' header lists; a server opens streams here, a client hears answers. */
export interface ConnectionRole {
  readonly name: "server" | "client";
  /** The first header list of a stream (server), or the next of one that is open. @throws {StreamError} for a malformed one. */
  onFields(
    stream: Http2Stream,
    fields: readonly Field[],
    info: { endStream: boolean; tooLarge: boolean; opening: boolean },
  ): void;
}

/** One HTTP/2 connection, either end (RFC 9113). Server push is neither offered nor taken; priorities are read and ignored. */
export class Http2Connection implements StreamHost {
  readonly #conn: ByteConn;
  readonly #role: ConnectionRole;
  readonly #output: Output;
  readonly #decoder = new HpackDecoder(MAX_HEADER_BYTES);
  readonly #blocks = new HeaderBlockAssembly(MAX_HEADER_BYTES);
  readonly #streams: StreamTable;
  readonly #cheapFrames = new FloodGuard(CHEAP_FRAMES);
  readonly #earlyResets = new FloodGuard(EARLY_RESETS);
  #awaitingRoom = new Set<Http2Stream>();
  #peer: PeerSettings = { ...DEFAULT_PEER_SETTINGS };
  #settingsSeen = false;
  #sendWindowBytes = DEFAULT_PEER_SETTINGS.windowBytes;
  #openBytes = CONNECTION_WINDOW_BYTES;
  #goingAway = false;
  #closed = false;
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(conn: ByteConn, role: ConnectionRole) {
    this.#conn = conn;
    this.#role = role;
    this.#streams = new StreamTable(role.name);
    this.#output = new Output(conn, () => this.#wakeAll());
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** True while {@link open} may be called. */
  get canOpen(): boolean {
    return !this.#closed && !this.#goingAway && this.#streams.size < this.#peer.maxStreams &&
      this.#streams.idsLeft;
  }

  /**
   * Serves the connection until it ends, for whatever reason; then every stream is reset and the socket is closed.
   *
   * @param first what was read already, for a server without the preface
   */
  async run(first: Uint8Array = new Uint8Array()): Promise<void> {
    if (this.#role.name === "client") this.#output.frame(PREFACE);
    this.#output.frame(
      settingsFrame({ role: this.#role.name, maxStreams: MAX_STREAMS, maxHeaderBytes: MAX_HEADER_BYTES }),
    );
    this.#output.frame(
      numbersFrame(FrameType.WINDOW_UPDATE, 0, CONNECTION_WINDOW_BYTES - DEFAULT_PEER_SETTINGS.windowBytes),
    );
    try {
      await new FrameReader(this.#conn, first).run((header, payload) => this.#take(header, payload));
    } catch (error) {
      // Anything else is the socket's: the peer is gone, there is nobody to tell.
      if (error instanceof ConnectionError) this.#sendGoAway(error.code);
    }
    await this.close();
  }

  /** Opens a stream (client only). */
  open(fields: readonly Field[], endStream: boolean): Http2Stream {
    const stream = new Http2Stream(this.#streams.takeOwnId(), this, this.#peer.windowBytes);
    this.#streams.add(stream);
    stream.sendHeaders(fields, endStream);
    return stream;
  }

  /** Tells the peer to open no more streams; resolves when the open ones have ended. */
  async drain(): Promise<void> {
    if (!this.#goingAway) this.#sendGoAway(ErrorCode.NO_ERROR);
    if (this.#streams.size > 0) await new Promise<void>((resolve) => this.#whenIdle = resolve);
    await this.#output.flush();
  }

  /** Ends the connection and resets every stream; resolves when the socket is closed. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    if (!this.#goingAway) this.#sendGoAway(ErrorCode.NO_ERROR);
    for (const stream of this.#streams.all()) stream.receiveReset(ErrorCode.CANCEL);
    const timer = setTimeout(() => closeQuietly(this.#conn), CLOSE_FLUSH_MS);
    await this.#output.flush();
    clearTimeout(timer);
    this.#output.close();
    closeQuietly(this.#conn);
  }

  get sendRoomBytes(): number {
    return this.#closed ? 0 : Math.min(this.#sendWindowBytes, this.#output.roomBytes);
  }

  get peerFrameBytes(): number {
    return this.#peer.frameBytes;
  }

  sendData(stream: Http2Stream, payload: Uint8Array, endStream: boolean): void {
    this.#sendWindowBytes -= payload.length;
    this.#output.data(stream.id, payload, dataFlags(endStream));
  }

  sendHeaders(stream: Http2Stream, fields: readonly Field[], endStream: boolean): void {
    const block = encodeFields(fields);
    const partBytes = this.#peer.frameBytes;
    for (let at = 0; at === 0 || at < block.length; at += partBytes) {
      const last = at + partBytes >= block.length ? Flag.END_HEADERS : 0;
      const [type, flags] = at === 0
        ? [FrameType.HEADERS, last | dataFlags(endStream)]
        : [FrameType.CONTINUATION, last];
      this.#output.frame(frame(type, flags, stream.id, block.subarray(at, at + partBytes)));
    }
  }

  sendReset(stream: Http2Stream, code: number): void {
    this.#resetStream(stream.id, code);
  }

  sendWindowUpdate(stream: Http2Stream, increment: number): void {
    this.#output.frame(numbersFrame(FrameType.WINDOW_UPDATE, stream.id, increment));
  }

  awaitRoom(stream: Http2Stream): void {
    this.#awaitingRoom.add(stream);
  }

  forget(stream: Http2Stream): void {
    this.#streams.delete(stream);
    this.#awaitingRoom.delete(stream);
    if (this.#streams.size === 0) this.#whenIdle?.();
  }

  #take(header: FrameHeader, payload: Uint8Array): void {
    if (this.#closed) return;
    if (!this.#settingsSeen && (header.type !== FrameType.SETTINGS || header.flags & Flag.ACK)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "first frame is not SETTINGS");
    }
    this.#blocks.checkOrder(header);
    if (this.#output.overfull) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "answers are not read");
    try {
      this.#dispatch(header, payload);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#resetStream(header.streamId, error.code);
      this.#streams.get(header.streamId)?.receiveReset(error.code);
    }
  }

  #dispatch(header: FrameHeader, payload: Uint8Array): void {
    switch (header.type) {
      case FrameType.DATA:
        return this.#takeData(header, payload);
      case FrameType.HEADERS:
        this.#streams.checkHeadersId(header.streamId);
        return this.#takeBlock(this.#blocks.headers(header, payload));
      case FrameType.CONTINUATION:
        return this.#takeBlock(this.#blocks.continuation(header, payload));
      case FrameType.PRIORITY:
        this.#cheapFrames.spend();
        return checkPriority(header, payload);
      case FrameType.RST_STREAM:
        return this.#takeReset(header, payload);
      case FrameType.SETTINGS:
        return this.#takeSettings(header, payload);
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE is not enabled");
      case FrameType.PING:
        return this.#takePing(header, payload);
      case FrameType.GOAWAY:
        return this.#takeGoAway(header, payload);
      case FrameType.WINDOW_UPDATE:
        return this.#takeWindowUpdate(header, payload);
      default: // Unknown types are ignored (RFC 9113 section 4.1), but not without limit.
        this.#cheapFrames.spend();
    }
  }

  #takeData(header: FrameHeader, payload: Uint8Array): void {
    const body = withoutPadding(header, payload);
    if (this.#streams.isIdle(header.streamId)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "DATA on an idle stream");
    }
    this.#openBytes -= header.lengthBytes;
    if (this.#openBytes < 0) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the connection allows");
    }
    if (this.#openBytes < CONNECTION_WINDOW_BYTES / 2) {
      this.#output.frame(numbersFrame(FrameType.WINDOW_UPDATE, 0, CONNECTION_WINDOW_BYTES - this.#openBytes));
      this.#openBytes = CONNECTION_WINDOW_BYTES;
    }
    const endStream = (header.flags & Flag.END_STREAM) !== 0;
    if (body.length === 0 && !endStream) this.#cheapFrames.spend();
    const stream = this.#streams.get(header.streamId);
    if (stream) stream.receiveData(body, endStream, header.lengthBytes);
    else this.#streams.checkClosed(header.streamId);
  }

  #takeBlock(block: HeaderBlock | undefined): void {
    if (!block) return;
    const { fields, tooLarge } = this.#decoder.decode(block.bytes);
    const { streamId, endStream } = block;
    if (block.dependsOnItself) throw new StreamError(ErrorCode.PROTOCOL_ERROR, "stream depends on itself");
    let stream = this.#streams.get(streamId);
    const opening = !stream && this.#streams.isIdle(streamId);
    if (stream?.receiveEnded) throw new StreamError(ErrorCode.STREAM_CLOSED, "HEADERS after END_STREAM");
    if (opening) {
      this.#streams.peerOpened(streamId);
      if (this.#goingAway || this.#streams.size >= MAX_STREAMS) {
        throw new StreamError(ErrorCode.REFUSED_STREAM, "no more streams");
      }
      stream = new Http2Stream(streamId, this, this.#peer.windowBytes);
      this.#streams.add(stream);
    }
    if (!stream) return this.#streams.checkClosed(streamId);
    this.#role.onFields(stream, fields, { endStream, tooLarge, opening });
    if (endStream && !stream.isReset) stream.receiveEnd();
  }

  #takeReset(header: FrameHeader, payload: Uint8Array): void {
    const code = resetCode(payload);
    if (this.#streams.isIdle(header.streamId)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    }
    const stream = this.#streams.get(header.streamId);
    if (!stream) return;
    if (!stream.answered) this.#earlyResets.spend();
    stream.receiveReset(code);
  }

  #takeSettings(header: FrameHeader, payload: Uint8Array): void {
    if (header.streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    if (header.flags & Flag.ACK) {
      if (payload.length > 0) {
        throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS acknowledgement with a payload");
      }
      return;
    }
    this.#cheapFrames.spend();
    const before = this.#peer.windowBytes;
    this.#peer = applySettings(this.#peer, payload);
    this.#settingsSeen = true;
    for (const stream of this.#streams.all()) {
      stream.sendWindowBytes += this.#peer.windowBytes - before;
      if (stream.sendWindowBytes > LARGEST_WINDOW) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "window too large");
      }
      stream.wake();
    }
    this.#output.frame(SETTINGS_ACK);
  }

  #takePing(header: FrameHeader, payload: Uint8Array): void {
    checkPing(header, payload);
    this.#cheapFrames.spend();
    if (!(header.flags & Flag.ACK)) this.#output.frame(frame(FrameType.PING, Flag.ACK, 0, payload));
  }

  #takeGoAway(header: FrameHeader, payload: Uint8Array): void {
    const lastTaken = lastTakenStream(header, payload);
    this.#cheapFrames.spend();
    if (this.#role.name === "server") return;
    this.#goingAway = true;
    for (const stream of this.#streams.all()) {
      if (stream.id > lastTaken) stream.receiveReset(ErrorCode.REFUSED_STREAM);
    }
  }

  #takeWindowUpdate(header: FrameHeader, payload: Uint8Array): void {
    const increment = windowIncrement(payload);
    if (header.streamId === 0) {
      if (increment === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      this.#sendWindowBytes += increment;
      if (this.#sendWindowBytes > LARGEST_WINDOW) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "window too large");
      }
      return this.#wakeAll();
    }
    if (this.#streams.isIdle(header.streamId)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
    }
    const stream = this.#streams.get(header.streamId);
    if (!stream) return;
    if (increment === 0) throw new StreamError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
    stream.sendWindowBytes += increment;
    if (stream.sendWindowBytes > LARGEST_WINDOW) {
      throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, "window too large");
    }
    stream.wake();
  }

  #resetStream(streamId: number, code: number): void {
    this.#streams.rememberReset(streamId);
    this.#output.frame(numbersFrame(FrameType.RST_STREAM, streamId, code));
  }

  #sendGoAway(code: number): void {
    this.#goingAway = true;
    this.#output.frame(numbersFrame(FrameType.GOAWAY, 0, this.#streams.lastPeerId, code));
  }

  #wakeAll(): void {
    const waiting = this.#awaitingRoom;
    if (waiting.size === 0) return;
    this.#awaitingRoom = new Set();
    for (const stream of waiting) stream.wake();
  }
}
