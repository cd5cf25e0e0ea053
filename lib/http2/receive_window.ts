/** What a stream may send before its first byte is taken: the protocol's default, enough for short tunnels. */
export const FIRST_WINDOW_BYTES = 65_535;
/** What a stream that is read quickly grows to. At 1 ms of round trip this is 500 MB/s; a stalled reader holds at most this. */
const LARGEST_WINDOW_BYTES = 524_288;
/** What all of a connection's windows may grow by: nine tunnels at full speed, and a bound for streams that stall once they have grown. */
const GROWTH_BYTES = 4 * 1_048_576;

/** What the receive windows of one connection share to grow from. */
export class GrowthAllowance {
  #leftBytes = GROWTH_BYTES;

  /** As much of `bytes` as there is. */
  take(bytes: number): number {
    const given = Math.min(bytes, this.#leftBytes);
    this.#leftBytes -= given;
    return given;
  }

  giveBack(bytes: number): void {
    this.#leftBytes += bytes;
  }
}

/** Flow control of one stream's receiving side: credit is given back as bytes are taken, and the window grows while they are. */
export class ReceiveWindow {
  readonly #growth: GrowthAllowance;
  #windowBytes = FIRST_WINDOW_BYTES;
  #openBytes = FIRST_WINDOW_BYTES;
  #takenBytes = 0;
  #takenInWindowBytes = 0;

  constructor(growth: GrowthAllowance = new GrowthAllowance()) {
    this.#growth = growth;
  }

  /** Nothing more comes, and what came was taken: others may grow instead. */
  close(): void {
    this.#growth.giveBack(this.#windowBytes - FIRST_WINDOW_BYTES);
    this.#windowBytes = FIRST_WINDOW_BYTES;
  }

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
      const growth = this.#growth.take(Math.min(this.#windowBytes, LARGEST_WINDOW_BYTES - this.#windowBytes));
      this.#windowBytes += growth;
      this.#takenInWindowBytes = 0;
      increment += growth;
    }
    this.#openBytes += increment;
    return increment;
  }
}
