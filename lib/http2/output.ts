import type { ByteConn } from "./byte_conn.ts";
import { ByteQueue } from "./byte_queue.ts";
import { FRAME_HEADER_BYTES, FrameType, writeFrameHeader } from "./frame.ts";

/** DATA waits while this much is unwritten: enough to keep the socket busy, and what all tunnels of a connection share. */
const BACKLOG_BYTES = 262_144;
/** Answers to a peer that never reads; then the connection ends. */
const MOST_BACKLOG_BYTES = 4 * 1_048_576;

/** A connection's way out: frames in order, several to a write. */
export class Output {
  readonly #conn: ByteConn;
  readonly #queue = new ByteQueue();
  readonly #onRoom: () => void;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #scheduled = false;
  #writing: Promise<void> | undefined;
  #closed = false;

  /** `onRoom` is called whenever waiting DATA may go on. */
  constructor(conn: ByteConn, onRoom: () => void) {
    this.#conn = conn;
    this.#onRoom = onRoom;
  }

  /** How many bytes of DATA may be added now. */
  get roomBytes(): number {
    return this.#closed ? 0 : Math.max(0, BACKLOG_BYTES - this.#queue.sizeBytes);
  }

  /** True when the peer makes us answer and does not take the answers. */
  get overfull(): boolean {
    return this.#queue.sizeBytes > MOST_BACKLOG_BYTES;
  }

  frame(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#queue.push(bytes);
    this.#schedule();
  }

  data(streamId: number, payload: Uint8Array, flags: number): void {
    if (this.#closed) return;
    writeFrameHeader(this.#header, 0, { lengthBytes: payload.length, type: FrameType.DATA, flags, streamId });
    this.#queue.push(this.#header);
    this.#queue.push(payload);
    this.#schedule();
  }

  /** Resolves when everything was handed to the kernel, or cannot be. */
  async flush(): Promise<void> {
    while (!this.#closed && this.#queue.sizeBytes > 0) {
      this.#writing ??= this.#drain();
      await this.#writing;
    }
  }

  /** Nothing is written any more. */
  close(): void {
    this.#closed = true;
    this.#queue.clear();
  }

  /** Once a turn, so that the frames of one turn share a write. */
  #schedule(): void {
    if (this.#scheduled || this.#writing) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    try {
      for (let bytes = this.#queue.peek(); bytes && !this.#closed; bytes = this.#queue.peek()) {
        const sent = await this.#conn.write(bytes);
        if (this.#closed) return;
        const wasFull = this.roomBytes === 0;
        this.#queue.drop(sent);
        if (wasFull && this.roomBytes > 0) this.#onRoom();
      }
    } catch {
      // The reading side learns of the same broken connection and ends every stream.
      this.close();
    } finally {
      this.#writing = undefined;
    }
  }
}
