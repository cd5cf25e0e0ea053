import { ByteQueue } from "./byte_queue.ts";
import { ErrorCode, StreamError, StreamReset } from "./errors.ts";
import { Flag } from "./frame.ts";
import { type GrowthAllowance, ReceiveWindow } from "./receive_window.ts";
import type { Field } from "./static_table.ts";

/** What a stream needs of its connection. */
export interface StreamHost {
  /** Bytes of DATA that may leave now by the connection's window and backlog. */
  readonly sendRoomBytes: number;
  readonly peerFrameBytes: number;
  sendData(stream: Http2Stream, payload: Uint8Array, endStream: boolean): void;
  sendHeaders(stream: Http2Stream, fields: readonly Field[], endStream: boolean): void;
  sendReset(stream: Http2Stream, code: number): void;
  sendWindowUpdate(stream: Http2Stream, increment: number): void;
  /** Calls {@link Http2Stream.wake} once {@link sendRoomBytes} may have grown. */
  awaitRoom(stream: Http2Stream): void;
  /** Both sides have ended, or one reset. */
  forget(stream: Http2Stream): void;
}

/** A handshake's or a small request's worth. */
const SMALL_MESSAGE_BYTES = 1_024;

/** A write that waits for room. */
interface PendingWrite {
  bytes: Uint8Array;
  sent: number;
  resolve(): void;
  reject(error: StreamReset): void;
}

const DONE: Promise<void> = Promise.resolve();

/** One stream: bytes come by {@link read} and {@link taken}, go by {@link write} and {@link end}; either side may end first. */
export class Http2Stream {
  readonly id: number;
  /** Called once when the peer or the connection resets the stream. */
  onReset: ((code: number) => void) | undefined;
  /** The peer's trailers, complete once {@link read} gave null. */
  trailers: Field[] = [];
  /** Our window at the peer; may be negative after a change of its settings. */
  sendWindowBytes: number;
  readonly #host: StreamHost;
  readonly #window: ReceiveWindow;
  readonly #received = new ByteQueue(SMALL_MESSAGE_BYTES);
  #expectedBytes: number | undefined;
  #receivedBytes = 0;
  #receiveEnded = false;
  #sendEnded = false;
  #sendStopped = false;
  #headersSent = false;
  #resetCode: number | undefined;
  #wakeReader: (() => void) | undefined;
  #pending: PendingWrite | undefined;

  constructor(id: number, host: StreamHost, sendWindowBytes: number, growth?: GrowthAllowance) {
    this.id = id;
    this.#host = host;
    this.sendWindowBytes = sendWindowBytes;
    this.#window = new ReceiveWindow(growth);
  }

  get answered(): boolean {
    return this.#headersSent;
  }

  get receiveEnded(): boolean {
    return this.#receiveEnded;
  }

  get isReset(): boolean {
    return this.#resetCode !== undefined;
  }

  /** The next bytes, valid until {@link taken}; null after the peer's END_STREAM. @throws {StreamReset} */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    for (;;) {
      this.#throwIfReset();
      const bytes = this.#received.peek();
      if (bytes) return bytes;
      if (this.#receiveEnded) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** Gives back `count` bytes of what {@link read} showed; the peer may then send as many more. */
  taken(count: number): void {
    if (this.isReset) return;
    this.#received.drop(count);
    if (this.#receiveEnded) {
      if (this.#received.sizeBytes === 0) this.#window.close();
      return;
    }
    const increment = this.#window.taken(count);
    if (increment > 0) this.#host.sendWindowUpdate(this, increment);
  }

  sendHeaders(fields: readonly Field[], endStream = false): void {
    this.#throwIfReset();
    this.#headersSent = true;
    this.#host.sendHeaders(this, fields, endStream);
    if (endStream) this.#endSending();
  }

  /** An answer before the answer (RFC 9110 section 15.2), e.g. 100. */
  inform(status: number): void {
    this.#throwIfReset();
    this.#host.sendHeaders(this, [[":status", String(status)]], false);
  }

  /** Resolves when `bytes` may be used again and the peer has room for more. @throws {StreamReset} */
  write(bytes: Uint8Array): Promise<void> {
    if (this.isReset || this.#sendStopped) {
      return Promise.reject(new StreamReset(this.#resetCode ?? ErrorCode.NO_ERROR));
    }
    const sent = this.#send(bytes, 0);
    if (sent === bytes.length) return DONE;
    return new Promise<void>((resolve, reject) => {
      this.#pending = { bytes, sent, resolve, reject };
      this.#awaitRoom();
    });
  }

  /** END_STREAM, with trailers where there are any; does nothing on a stream that was reset. */
  end(trailers: readonly Field[] = []): void {
    if (this.isReset || this.#sendEnded) return;
    if (trailers.length > 0) this.#host.sendHeaders(this, trailers, true);
    else this.#host.sendData(this, new Uint8Array(), true);
    this.#endSending();
  }

  /** Ends the stream abruptly, in both directions. */
  reset(code: number): void {
    if (this.isReset) return;
    if (this.#sendEnded && this.#receiveEnded) return this.#discard();
    this.#host.sendReset(this, code);
    this.#finish(code);
  }

  /** The connection has DATA for this stream. @throws {StreamError} */
  receiveData(payload: Uint8Array, endStream: boolean, flowBytes: number): void {
    if (this.#receiveEnded) throw new StreamError(ErrorCode.STREAM_CLOSED, "DATA after END_STREAM");
    if (!this.#window.received(flowBytes)) {
      throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than allowed");
    }
    this.#receivedBytes += payload.length;
    if (this.#receivedBytes > (this.#expectedBytes ?? Infinity)) throw wrongLength();
    if (payload.length > 0) this.#received.push(payload);
    const padding = flowBytes - payload.length;
    if (padding > 0) {
      const increment = this.#window.taken(padding);
      if (increment > 0) this.#host.sendWindowUpdate(this, increment);
    }
    if (endStream) this.receiveEnd();
    else this.#wakeReader?.();
  }

  /** The peer's END_STREAM. @throws {StreamError} */
  receiveEnd(): void {
    if (this.#receiveEnded) throw new StreamError(ErrorCode.STREAM_CLOSED, "second END_STREAM");
    if (this.#expectedBytes !== undefined && this.#receivedBytes !== this.#expectedBytes) throw wrongLength();
    this.#receiveEnded = true;
    if (this.#received.sizeBytes === 0) this.#window.close();
    this.#wakeReader?.();
    if (this.#sendEnded) this.#host.forget(this);
  }

  /** `content-length`: the body must have exactly this length (RFC 9113 section 8.1.1). */
  expectBytes(count: number | undefined): void {
    this.#expectedBytes = count;
  }

  /** The peer's RST_STREAM, or the end of the connection. */
  receiveReset(code: number): void {
    if (this.isReset) return;
    const onReset = this.onReset;
    this.#finish(code);
    onReset?.(code);
  }

  /** The peer, whose answer is complete, wants no more of the request (RFC 9113 section 8.1): what it said stays to be read. */
  receiveStop(): void {
    if (this.isReset || this.#sendEnded) return;
    this.#sendStopped = true;
    this.#pending?.reject(new StreamReset(ErrorCode.NO_ERROR));
    this.#pending = undefined;
    this.#endSending();
  }

  /** There may be room to send. */
  wake(): void {
    const pending = this.#pending;
    if (!pending) return;
    pending.sent += this.#send(pending.bytes, pending.sent);
    if (pending.sent < pending.bytes.length) return this.#awaitRoom();
    this.#pending = undefined;
    pending.resolve();
  }

  #awaitRoom(): void {
    // A stream whose own window is shut waits for its WINDOW_UPDATE alone, which wakes it by name.
    if (this.sendWindowBytes > 0) this.#host.awaitRoom(this);
  }

  #send(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      const room = Math.min(this.sendWindowBytes, this.#host.sendRoomBytes, this.#host.peerFrameBytes);
      if (room <= 0) break;
      const end = Math.min(bytes.length, at + room);
      this.#host.sendData(this, bytes.subarray(at, end), false);
      this.sendWindowBytes -= end - at;
      at = end;
    }
    return at - from;
  }

  #endSending(): void {
    this.#sendEnded = true;
    if (this.#receiveEnded) this.#host.forget(this);
  }

  #finish(code: number): void {
    this.#resetCode = code;
    this.#discard();
    this.#wakeReader?.();
    this.#pending?.reject(new StreamReset(code));
    this.#pending = undefined;
    this.#host.forget(this);
  }

  /** What was received and not read has no reader any more. */
  #discard(): void {
    this.#received.clear();
    this.#window.close();
  }

  #throwIfReset(): void {
    if (this.#resetCode !== undefined) throw new StreamReset(this.#resetCode);
  }
}

/** END_STREAM and RST_STREAM flags of DATA. */
export function dataFlags(endStream: boolean): number {
  return endStream ? Flag.END_STREAM : 0;
}

function wrongLength(): StreamError {
  return new StreamError(ErrorCode.PROTOCOL_ERROR, "content-length does not match the body");
}
