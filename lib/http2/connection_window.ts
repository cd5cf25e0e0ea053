import { ConnectionError, ErrorCode } from "./errors.ts";

/** What the peer may send on all streams together without waiting for us. */
export const CONNECTION_WINDOW_BYTES = 2 ** 24;

/**
 * The connection's own receive window. Credit returns as bytes arrive, not as they are read: streams bound themselves, so this window
 * never is what a stream waits for, and a stalled one cannot stop its neighbours.
 */
export class ConnectionWindow {
  #openBytes = CONNECTION_WINDOW_BYTES;

  /** Takes `bytes` off; returns the increment to announce now, or 0. @throws {ConnectionError} when it was more than allowed. */
  received(bytes: number): number {
    this.#openBytes -= bytes;
    if (this.#openBytes < 0) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the connection allows");
    }
    if (this.#openBytes >= CONNECTION_WINDOW_BYTES / 2) return 0;
    const increment = CONNECTION_WINDOW_BYTES - this.#openBytes;
    this.#openBytes = CONNECTION_WINDOW_BYTES;
    return increment;
  }
}
