import { type ByteConn, closeQuietly } from "./byte_conn.ts";
import { CONNECTION_WINDOW_BYTES } from "./connection_window.ts";
import { ConnectionError, ErrorCode } from "./errors.ts";
import { frame, FrameType, numbersFrame, PREFACE } from "./frame.ts";
import { FrameReader } from "./frame_reader.ts";
import { headerFrames } from "./header_frames.ts";
import { encodeFields, NO_TABLE } from "./hpack_encoder.ts";
import { Incoming, type IncomingTarget, MAX_HEADER_BYTES, MAX_STREAMS } from "./incoming.ts";
import { Output } from "./output.ts";
import { GrowthAllowance } from "./receive_window.ts";
import type { ConnectionRole } from "./role.ts";
import { SendWindow } from "./send_window.ts";
import { DEFAULT_PEER_SETTINGS, type PeerSettings, settingsFrame } from "./settings.ts";
import type { Field } from "./static_table.ts";
import { dataFlags, Http2Stream, type StreamHost } from "./stream.ts";
import { LARGEST_STREAM_ID, StreamTable } from "./stream_table.ts";

/** For the last frames of a connection whose peer does not read. */
const CLOSE_FLUSH_MS = 500;
/** A header block that takes longer holds a connection for nothing: CONTINUATION by trickle. */
const HEADER_BLOCK_MS = 10_000;
/** What a peer has to answer the PING between the two steps of GOAWAY; the front end is on the same host. */
const PONG_MS = 100;
/** What a peer has to read the last bytes and close, after a drain. */
const LINGER_MS = 1_000;

/** Times of a connection; tests shorten them. */
export interface ConnectionTimes {
  /** @default {10000} */
  headerBlockMs?: number;
}

/** One HTTP/2 connection, either end (RFC 9113). Server push is neither offered nor taken; priorities are read and ignored. */
export class Http2Connection implements StreamHost {
  readonly #conn: ByteConn;
  readonly #role: ConnectionRole;
  readonly #headerBlockMs: number;
  readonly #output: Output;
  readonly #sendWindow: SendWindow;
  readonly #streams: StreamTable;
  readonly #growth = new GrowthAllowance();
  readonly #peer: PeerSettings = { ...DEFAULT_PEER_SETTINGS };
  readonly #ended = Promise.withResolvers<void>();
  readonly #settings = Promise.withResolvers<void>();
  #tableDropped = false;
  /** The last stream of the peer's that was announced as taken; none is taken any more. */
  #lastTaken: number | undefined;
  #peerGoesAway = false;
  #closed = false;
  #closing: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;
  #whenPong: (() => void)[] = [];
  #headerTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(conn: ByteConn, role: ConnectionRole, times: ConnectionTimes = {}) {
    this.#conn = conn;
    this.#role = role;
    this.#headerBlockMs = times.headerBlockMs ?? HEADER_BLOCK_MS;
    this.#streams = new StreamTable(role.name);
    this.#output = new Output(conn, () => this.#sendWindow.wake());
    this.#sendWindow = new SendWindow(this.#output);
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Resolves when the peer has said what it allows, or the connection has ended. */
  get settled(): Promise<void> {
    return this.#settings.promise;
  }

  /** Streams that the peer allows at once. */
  get maxStreams(): number {
    return this.#peer.maxStreams;
  }

  /** The peer has said GOAWAY. */
  get peerGoesAway(): boolean {
    return this.#peerGoesAway;
  }

  /** True while {@link open} may be called. */
  get canOpen(): boolean {
    return !this.#closed && !this.#peerGoesAway && this.#streams.size < this.#peer.maxStreams && this.#streams.idsLeft;
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
    const incoming = new Incoming(this.#incomingTarget());
    try {
      await new FrameReader(this.#conn, first).run((header, payload) => incoming.take(header, payload));
    } catch (error) {
      // Anything else is the socket's: the peer is gone, there is nobody to tell.
      if (error instanceof ConnectionError) this.#sendGoAway(error.code);
    }
    await this.close();
    this.#ended.resolve();
  }

  /** Opens a stream (client only). */
  open(fields: readonly Field[], endStream: boolean): Http2Stream {
    const stream = this.#newStream(this.#streams.takeOwnId());
    stream.sendHeaders(fields, endStream);
    return stream;
  }

  /**
   * Takes the streams that are open or on their way, and no later ones; resolves once all have ended and the connection is closed.
   * GOAWAY comes in two steps (RFC 9113 section 6.8): what the peer sent before it read the first is served, not refused.
   */
  drain(): Promise<void> {
    return this.#draining ??= this.#drain();
  }

  async #drain(): Promise<void> {
    if (!this.#closed) await this.#announceEnd();
    if (this.#streams.size > 0) await new Promise<void>((resolve) => this.#whenIdle = resolve);
    await this.#output.flush();
    this.#output.close();
    // Closing with unread frames would be a RST, which takes from the peer what it has not read yet.
    await this.#conn.closeWrite?.().catch(() => {});
    const timer = setTimeout(() => void this.close(), LINGER_MS);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  async #announceEnd(): Promise<void> {
    this.#output.frame(numbersFrame(FrameType.GOAWAY, 0, LARGEST_STREAM_ID, ErrorCode.NO_ERROR));
    await this.ping(PONG_MS);
    if (!this.#closed) this.#sendGoAway(ErrorCode.NO_ERROR);
  }

  /** Asks the peer for a sign of life; false when none came within `timeoutMs`, or the connection has ended. */
  async ping(timeoutMs: number): Promise<boolean> {
    if (this.#closed) return false;
    const ponged = new Promise<boolean>((resolve) => this.#whenPong.push(() => resolve(!this.#closed)));
    this.#output.frame(frame(FrameType.PING, 0, 0, new Uint8Array(8)));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), timeoutMs));
    return await Promise.race([ponged, late]).finally(() => clearTimeout(timer));
  }

  /** Ends the connection and resets every stream; resolves when the socket is closed. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#headerTimer);
    this.#tellPong();
    this.#settings.resolve();
    if (this.#lastTaken === undefined) this.#sendGoAway(ErrorCode.NO_ERROR);
    for (const stream of this.#streams.all()) stream.receiveReset(ErrorCode.CANCEL);
    const timer = setTimeout(() => closeQuietly(this.#conn), CLOSE_FLUSH_MS);
    await this.#output.flush();
    clearTimeout(timer);
    this.#output.close();
    closeQuietly(this.#conn);
  }

  get sendRoomBytes(): number {
    return this.#closed ? 0 : this.#sendWindow.roomBytes;
  }

  get peerFrameBytes(): number {
    return this.#peer.frameBytes;
  }

  sendData(stream: Http2Stream, payload: Uint8Array, endStream: boolean): void {
    this.#sendWindow.sent(payload.length);
    this.#output.data(stream.id, payload, dataFlags(endStream));
  }

  sendHeaders(stream: Http2Stream, fields: readonly Field[], endStream: boolean): void {
    let block = encodeFields(fields);
    if (this.#peer.smallTable && !this.#tableDropped) {
      this.#tableDropped = true;
      block = Uint8Array.of(NO_TABLE, ...block);
    }
    for (const part of headerFrames(stream.id, block, this.#peer.frameBytes, endStream)) this.#output.frame(part);
  }

  sendReset(stream: Http2Stream, code: number): void {
    this.#resetStream(stream.id, code);
  }

  sendWindowUpdate(stream: Http2Stream, increment: number): void {
    this.#output.frame(numbersFrame(FrameType.WINDOW_UPDATE, stream.id, increment));
  }

  awaitRoom(stream: Http2Stream): void {
    this.#sendWindow.await(stream);
  }

  forget(stream: Http2Stream): void {
    this.#streams.delete(stream);
    this.#sendWindow.forget(stream);
    if (this.#streams.size === 0) this.#whenIdle?.();
  }

  #newStream(streamId: number): Http2Stream {
    const stream = new Http2Stream(streamId, this, this.#peer.windowBytes, this.#growth);
    this.#streams.add(stream);
    return stream;
  }

  #resetStream(streamId: number, code: number): void {
    this.#streams.rememberReset(streamId);
    this.#output.frame(numbersFrame(FrameType.RST_STREAM, streamId, code));
  }

  #sendGoAway(code: number): void {
    // It never grows again: the peer may have sent elsewhere what came later.
    this.#lastTaken ??= this.#streams.lastPeerId;
    this.#output.frame(numbersFrame(FrameType.GOAWAY, 0, this.#lastTaken, code));
  }

  #tellPong(): void {
    for (const tell of this.#whenPong.splice(0)) tell();
  }

  #limitHeaderBlock(open: boolean): void {
    if (!open) {
      clearTimeout(this.#headerTimer);
      this.#headerTimer = undefined;
      return;
    }
    this.#headerTimer ??= setTimeout(() => {
      this.#sendGoAway(ErrorCode.ENHANCE_YOUR_CALM);
      void this.close();
    }, this.#headerBlockMs);
  }

  #incomingTarget(): IncomingTarget {
    // deno-lint-ignore no-this-alias
    const connection = this;
    return {
      role: this.#role,
      streams: this.#streams,
      output: this.#output,
      sendWindow: this.#sendWindow,
      peer: this.#peer,
      get isClosed() {
        return connection.#closed;
      },
      get goingAway() {
        return connection.#lastTaken !== undefined;
      },
      newStream: (streamId) => this.#newStream(streamId),
      resetStream: (streamId, code) => this.#resetStream(streamId, code),
      onSettings: () => this.#settings.resolve(),
      onPong: () => this.#tellPong(),
      onGoAway: () => void (this.#peerGoesAway = true),
      onHeaderBlock: (open) => {
        if (open || this.#headerTimer !== undefined) this.#limitHeaderBlock(open);
      },
    };
  }
}
