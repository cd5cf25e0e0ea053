import { ConnectionError, ErrorCode } from "./errors.ts";
import type { Http2Stream } from "./stream.ts";

/** Streams that we reset: frames for them may be on their way still and are no error. */
const MOST_RESETS_REMEMBERED = 1_024;
export const LARGEST_STREAM_ID = 0x7fffffff;

/** Which streams of a connection are open, which are yet to come and which are over (RFC 9113 section 5.1). */
export class StreamTable {
  readonly #role: "server" | "client";
  readonly #open = new Map<number, Http2Stream>();
  readonly #resetByUs = new Set<number>();
  #lastPeerId = 0;
  #nextOwnId = 1;

  constructor(role: "server" | "client") {
    this.#role = role;
  }

  get size(): number {
    return this.#open.size;
  }

  get lastPeerId(): number {
    return this.#lastPeerId;
  }

  get idsLeft(): boolean {
    return this.#nextOwnId < LARGEST_STREAM_ID;
  }

  /** The id of the next stream that this side opens (client only). */
  takeOwnId(): number {
    const id = this.#nextOwnId;
    this.#nextOwnId += 2;
    return id;
  }

  /** The peer has used `streamId`, and with it all below. */
  peerOpened(streamId: number): void {
    this.#lastPeerId = streamId;
  }

  get(streamId: number): Http2Stream | undefined {
    return this.#open.get(streamId);
  }

  add(stream: Http2Stream): void {
    this.#open.set(stream.id, stream);
  }

  delete(stream: Http2Stream): void {
    this.#open.delete(stream.id);
  }

  /** A copy: what is done to streams removes them. */
  all(): Http2Stream[] {
    return [...this.#open.values()];
  }

  rememberReset(streamId: number): void {
    this.#resetByUs.add(streamId);
    if (this.#resetByUs.size > MOST_RESETS_REMEMBERED) this.#resetByUs.delete(this.#resetByUs.values().next().value!);
  }

  isIdle(streamId: number): boolean {
    if (this.#role === "client") return !this.#isOwn(streamId);
    return streamId % 2 === 0 || streamId > this.#lastPeerId;
  }

  /** @throws {ConnectionError} when HEADERS cannot come on this stream. */
  checkHeadersId(streamId: number): void {
    const fits = this.#role === "server" ? streamId % 2 === 1 : this.#isOwn(streamId);
    if (!fits) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `HEADERS on stream ${streamId}`);
  }

  /** A frame for a stream that is over is harmless if we ended it early, else the peer lost count. @throws {ConnectionError} */
  checkClosed(streamId: number): void {
    if (this.#resetByUs.has(streamId)) return;
    throw new ConnectionError(ErrorCode.STREAM_CLOSED, `frame on closed stream ${streamId}`);
  }

  #isOwn(streamId: number): boolean {
    return streamId % 2 === 1 && streamId < this.#nextOwnId;
  }
}
