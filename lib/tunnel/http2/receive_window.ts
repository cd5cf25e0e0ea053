/** What a stream may send before its first byte is taken: the protocol's default, enough for short tunnels. */
export const FIRST_WINDOW_BYTES = 65_535;
/** What a stream that is read quickly grows to. At 1 ms of round trip this is 500 MB/s; a stalled reader holds at most this. */
const LARGEST_WINDOW_BYTES = 524_288;

/** Flow control of one stream's receiving side: credit is given back as bytes are taken, and the window grows while they are. */
export class ReceiveWindow {
  #windowBytes = FIRST_WINDOW_BYTES;
  #openBytes = FIRST_WINDOW_BYTES;
  #takenBytes = 0;
  #takenInWindowBytes = 0;

  /** False when the peer sent more than it was allowed. */
  received(bytes: number): boolean {
    this.#openBytes -= bytes;
    return this.#openBytes >= 0;
  }

  /** The reader took `bytes`; returns the increment to announce now, or 0. */
  taken(bytes: number): number {
    this.#takenBytes += bytes;
    this.#takenInWindowBytes += bytes;
    if (this.#takenBytes < this.#windowBytes / 2) return 0;
    let increment = this.#takenBytes;
    this.#takenBytes = 0;
    if (this.#takenInWindowBytes >= this.#windowBytes && this.#windowBytes < LARGEST_WINDOW_BYTES) {
      const growth = Math.min(this.#windowBytes, LARGEST_WINDOW_BYTES - this.#windowBytes);
      this.#windowBytes += growth;
      this.#takenInWindowBytes = 0;
      increment += growth;
    }
    this.#openBytes += increment;
    return increment;
  }
}
