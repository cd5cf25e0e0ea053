import { ConnectionWindow } from "./connection_window.ts";
import { checkPing, checkPriority, lastTakenStream, resetCode, windowIncrement } from "./control_frames.ts";
import { ConnectionError, ErrorCode, StreamError } from "./errors.ts";
import { CHEAP_FRAMES, EARLY_RESETS, FloodGuard } from "./flood.ts";
import { Flag, frame, type FrameHeader, FrameType, numbersFrame } from "./frame.ts";
import { type HeaderBlock, HeaderBlockAssembly } from "./header_block.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import type { Output } from "./output.ts";
import { withoutPadding } from "./padding.ts";
import type { ConnectionRole } from "./role.ts";
import { LARGEST_WINDOW_BYTES, type SendWindow } from "./send_window.ts";
import { applySettings, type PeerSettings, SETTINGS_ACK } from "./settings.ts";
import type { Http2Stream } from "./stream.ts";
import type { StreamTable } from "./stream_table.ts";

/** Header list, and header block on the wire. */
export const MAX_HEADER_BYTES = 65_536;
/** Streams at once; Cloud Run's front end uses 100. */
export const MAX_STREAMS = 256;

/** What incoming frames act upon. */
export interface IncomingTarget {
  readonly role: ConnectionRole;
  readonly streams: StreamTable;
  readonly output: Output;
  readonly sendWindow: SendWindow;
  readonly peer: PeerSettings;
  readonly isClosed: boolean;
  /** No more streams are taken, or opened. */
  readonly goingAway: boolean;
  newStream(streamId: number): Http2Stream;
  resetStream(streamId: number, code: number): void;
  /** The peer has said what it allows. */
  onSettings(): void;
  /** The peer answered our PING. */
  onPong(): void;
  /** The peer takes no more streams. */
  onGoAway(): void;
  /** A header block was begun (true) or is complete. */
  onHeaderBlock(open: boolean): void;
}

/** What each frame of the peer means (RFC 9113 section 6). */
export class Incoming {
  readonly #target: IncomingTarget;
  readonly #decoder = new HpackDecoder(MAX_HEADER_BYTES);
  readonly #blocks = new HeaderBlockAssembly(MAX_HEADER_BYTES);
  readonly #window = new ConnectionWindow();
  readonly #cheapFrames = new FloodGuard(CHEAP_FRAMES);
  readonly #earlyResets = new FloodGuard(EARLY_RESETS);
  #settingsSeen = false;

  constructor(target: IncomingTarget) {
    this.#target = target;
  }

  /** @throws {ConnectionError} */
  take(header: FrameHeader, payload: Uint8Array): void {
    if (this.#target.isClosed) return;
    if (!this.#settingsSeen && (header.type !== FrameType.SETTINGS || header.flags & Flag.ACK)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "first frame is not SETTINGS");
    }
    this.#blocks.checkOrder(header);
    if (this.#target.output.overfull) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "answers are not read");
    try {
      this.#dispatch(header, payload);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#target.resetStream(header.streamId, error.code);
      this.#target.streams.get(header.streamId)?.receiveReset(error.code);
    }
  }

  #dispatch(header: FrameHeader, payload: Uint8Array): void {
    switch (header.type) {
      case FrameType.DATA:
        return this.#takeData(header, payload);
      case FrameType.HEADERS:
        this.#target.streams.checkHeadersId(header.streamId);
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
    const { streams, output } = this.#target;
    const body = withoutPadding(header, payload);
    if (streams.isIdle(header.streamId)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "DATA on an idle stream");
    }
    const increment = this.#window.received(header.lengthBytes);
    if (increment > 0) output.frame(numbersFrame(FrameType.WINDOW_UPDATE, 0, increment));
    const endStream = (header.flags & Flag.END_STREAM) !== 0;
    if (body.length === 0 && !endStream) this.#cheapFrames.spend();
    const stream = streams.get(header.streamId);
    if (stream) stream.receiveData(body, endStream, header.lengthBytes);
    else streams.checkClosed(header.streamId);
  }

  #takeBlock(block: HeaderBlock | undefined): void {
    const { streams, role } = this.#target;
    this.#target.onHeaderBlock(!block);
    if (!block) return;
    const { fields, tooLarge } = this.#decoder.decode(block.bytes);
    const { streamId, endStream } = block;
    if (block.dependsOnItself) throw new StreamError(ErrorCode.PROTOCOL_ERROR, "stream depends on itself");
    let stream = streams.get(streamId);
    const opening = !stream && streams.isIdle(streamId);
    if (stream?.receiveEnded) throw new StreamError(ErrorCode.STREAM_CLOSED, "HEADERS after END_STREAM");
    if (opening) {
      streams.peerOpened(streamId);
      if (this.#target.goingAway || streams.size >= MAX_STREAMS) {
        throw new StreamError(ErrorCode.REFUSED_STREAM, "no more streams");
      }
      stream = this.#target.newStream(streamId);
    }
    if (!stream) return streams.checkClosed(streamId);
    role.onFields(stream, fields, { endStream, tooLarge, opening });
    if (endStream && !stream.isReset) stream.receiveEnd();
  }

  #takeReset(header: FrameHeader, payload: Uint8Array): void {
    const { role, streams } = this.#target;
    const code = resetCode(payload);
    if (streams.isIdle(header.streamId)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    }
    const stream = streams.get(header.streamId);
    if (!stream) return;
    if (!stream.answered) this.#earlyResets.spend();
    const isStop = role.name === "client" && code === ErrorCode.NO_ERROR && stream.receiveEnded;
    if (isStop) stream.receiveStop();
    else stream.receiveReset(code);
  }

  #takeSettings(header: FrameHeader, payload: Uint8Array): void {
    const { peer, streams, output } = this.#target;
    if (header.streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    if (header.flags & Flag.ACK) {
      if (payload.length > 0) {
        throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS acknowledgement with a payload");
      }
      return this.#cheapFrames.spend();
    }
    this.#cheapFrames.spend();
    const before = peer.windowBytes;
    Object.assign(peer, applySettings(peer, payload));
    this.#settingsSeen = true;
    for (const stream of streams.all()) {
      stream.sendWindowBytes += peer.windowBytes - before;
      if (stream.sendWindowBytes > LARGEST_WINDOW_BYTES) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "window too large");
      }
      stream.wake();
    }
    output.frame(SETTINGS_ACK);
    this.#target.onSettings();
  }

  #takePing(header: FrameHeader, payload: Uint8Array): void {
    checkPing(header, payload);
    this.#cheapFrames.spend();
    if (header.flags & Flag.ACK) this.#target.onPong();
    else this.#target.output.frame(frame(FrameType.PING, Flag.ACK, 0, payload));
  }

  #takeGoAway(header: FrameHeader, payload: Uint8Array): void {
    const lastTaken = lastTakenStream(header, payload);
    this.#cheapFrames.spend();
    if (this.#target.role.name === "server") return;
    this.#target.onGoAway();
    for (const stream of this.#target.streams.all()) {
      if (stream.id > lastTaken) stream.receiveReset(ErrorCode.REFUSED_STREAM);
    }
  }

  #takeWindowUpdate(header: FrameHeader, payload: Uint8Array): void {
    const { streams, sendWindow } = this.#target;
    const increment = windowIncrement(payload);
    if (!sendWindow.mayUpdate()) this.#cheapFrames.spend();
    if (header.streamId === 0) return sendWindow.opened(increment);
    if (streams.isIdle(header.streamId)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
    }
    const stream = streams.get(header.streamId);
    if (!stream) return;
    if (increment === 0) throw new StreamError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
    stream.sendWindowBytes += increment;
    if (stream.sendWindowBytes > LARGEST_WINDOW_BYTES) {
      throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, "window too large");
    }
    stream.wake();
  }
}
