import { ConnectionError, ErrorCode } from "./errors.ts";
import type { Output } from "./output.ts";
import { DEFAULT_PEER_SETTINGS } from "./settings.ts";
import type { Http2Stream } from "./stream.ts";

export const LARGEST_WINDOW_BYTES = 0x7fffffff;
/** WINDOW_UPDATE frames that a connection has free, and how many more each DATA frame of ours may bring; Envoy's ratio. */
const FREE_UPDATES = 1_000;
const UPDATES_PER_DATA_FRAME = 10;

/** The connection's window at the peer, which all streams share, and the streams that wait for room in it. */
export class SendWindow {
  readonly #output: Output;
  readonly #waiting = new Set<Http2Stream>();
  #openBytes = DEFAULT_PEER_SETTINGS.windowBytes;
  #updatesLeft = FREE_UPDATES;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Bytes of DATA that may leave now. */
  get roomBytes(): number {
    return Math.min(this.#openBytes, this.#output.roomBytes);
  }

  /** A DATA frame of `bytes` leaves. */
  sent(bytes: number): void {
    this.#openBytes -= bytes;
    if (this.#updatesLeft < FREE_UPDATES) this.#updatesLeft += UPDATES_PER_DATA_FRAME;
  }

  /** The peer gives credit for the whole connection. @throws {ConnectionError} */
  opened(increment: number): void {
    if (increment === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
    this.#openBytes += increment;
    if (this.#openBytes > LARGEST_WINDOW_BYTES) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "window too large");
    }
    this.wake();
  }

  /** False for a WINDOW_UPDATE that no DATA of ours explains: such cost us work and their sender next to nothing (CVE-2019-9511). */
  mayUpdate(): boolean {
    if (this.#updatesLeft < 1) return false;
    this.#updatesLeft--;
    return true;
  }

  /** Wakes `stream` once there may be room for it. */
  await(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }

  forget(stream: Http2Stream): void {
    this.#waiting.delete(stream);
  }

  /** Wakes as many as there is room for, the longest waiting first: what one byte of credit costs does not depend on how many wait. */
  wake(): void {
    for (const stream of this.#waiting) {
      if (this.roomBytes <= 0) return;
      this.#waiting.delete(stream);
      stream.wake();
    }
  }
}
