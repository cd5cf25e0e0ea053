import { ConnectionError, ErrorCode } from "./errors.ts";
import { Flag, type FrameHeader, FrameType } from "./frame.ts";
import { withoutPadding, withoutPriority } from "./padding.ts";

/** CONTINUATION frames that one block may have: 64 KiB fit in four full ones (CVE-2024-27316 and its kin). */
const MOST_CONTINUATIONS = 16;

/** A header block as it came, not yet decoded. */
export interface HeaderBlock {
  streamId: number;
  endStream: boolean;
  dependsOnItself: boolean;
  bytes: Uint8Array;
}

/** Puts HEADERS and its CONTINUATION frames together; nothing may come between them (RFC 9113 section 4.3). */
export class HeaderBlockAssembly {
  readonly #maxBytes: number;
  #open: HeaderBlock | undefined;
  #parts: Uint8Array[] = [];
  #sizeBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws {ConnectionError} when `header` must not come now. */
  checkOrder(header: FrameHeader): void {
    const wanted = this.#open?.streamId;
    const fits = wanted === undefined
      ? header.type !== FrameType.CONTINUATION
      : header.type === FrameType.CONTINUATION && header.streamId === wanted;
    if (!fits) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "header block interrupted, or continued without one");
    }
  }

  /** Takes HEADERS; returns the block when it is whole. @throws {ConnectionError} */
  headers(header: FrameHeader, payload: Uint8Array): HeaderBlock | undefined {
    const { block, dependsOn } = withoutPriority(header, withoutPadding(header, payload));
    this.#open = {
      streamId: header.streamId,
      endStream: (header.flags & Flag.END_STREAM) !== 0,
      dependsOnItself: dependsOn === header.streamId,
      bytes: block,
    };
    return this.#add(header, block);
  }

  /** Takes CONTINUATION; returns the block when it is whole. @throws {ConnectionError} */
  continuation(header: FrameHeader, payload: Uint8Array): HeaderBlock | undefined {
    return this.#add(header, payload);
  }

  #add(header: FrameHeader, part: Uint8Array): HeaderBlock | undefined {
    this.#sizeBytes += part.length;
    if (this.#sizeBytes > this.#maxBytes || this.#parts.length > MOST_CONTINUATIONS) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "header block too large");
    }
    const whole = (header.flags & Flag.END_HEADERS) !== 0;
    // The frame's bytes are valid during this turn only; a block of one frame is decoded in it and needs no copy.
    if (!whole || this.#parts.length > 0) this.#parts.push(part.slice());
    if (!whole) return undefined;
    const open = this.#open!;
    if (this.#parts.length > 0) open.bytes = join(this.#parts, this.#sizeBytes);
    this.#open = undefined;
    this.#parts = [];
    this.#sizeBytes = 0;
    return open;
  }
}

function join(parts: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const whole = new Uint8Array(sizeBytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
