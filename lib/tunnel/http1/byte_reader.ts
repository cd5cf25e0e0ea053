import type { ByteConn } from "../../http2/mod.ts";
import { Http1Error } from "./errors.ts";

const BUFFER_BYTES = 16_384;
const CR = 13;
const LF = 10;

/** Reads a connection by line or by length. What it returns is valid until the next call. */
export class ByteReader {
  readonly #conn: Pick<ByteConn, "read">;
  #bytes: Uint8Array;

  /** `first` are bytes that were read already. */
  constructor(conn: Pick<ByteConn, "read">, first: Uint8Array = new Uint8Array()) {
    this.#conn = conn;
    this.#bytes = first;
  }

  /** What is there, or the next read, at most `maxBytes` long; null at the end. */
  async some(maxBytes = Infinity): Promise<Uint8Array | null> {
    if (this.#bytes.length === 0 && !await this.#more()) return null;
    const part = this.#bytes.subarray(0, Math.min(maxBytes, this.#bytes.length));
    this.#bytes = this.#bytes.subarray(part.length);
    return part;
  }

  /**
   * A line without its CRLF, one character a byte; null at the end of the connection, if nothing came before it.
   *
   * @throws {Http1Error} 431 for more than `maxBytes`; 400 for a bare LF (two servers could read it differently) or an end inside the line.
   */
  async line(maxBytes: number): Promise<string | null> {
    let text = "";
    for (;;) {
      const end = this.#bytes.indexOf(LF);
      const part = this.#bytes.subarray(0, end < 0 ? this.#bytes.length : end + 1);
      for (let i = 0; i < part.length; i++) text += String.fromCharCode(part[i]!);
      this.#bytes = this.#bytes.subarray(part.length);
      if (text.length > maxBytes) throw new Http1Error(431, "line too long");
      if (end >= 0) {
        if (text.charCodeAt(text.length - 2) !== CR) throw new Http1Error(400, "line without CR");
        return text.slice(0, -2);
      }
      if (!await this.#more()) {
        if (text) throw new Http1Error(400, "connection ended inside a line");
        return null;
      }
    }
  }

  async #more(): Promise<boolean> {
    const bytes = new Uint8Array(BUFFER_BYTES);
    const count = await this.#conn.read(bytes);
    this.#bytes = bytes.subarray(0, count ?? 0);
    return count !== null;
  }
}
