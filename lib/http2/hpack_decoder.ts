import { ConnectionError, ErrorCode } from "./errors.ts";
import { decodeHuffman } from "./huffman.ts";
import { type Field, STATIC_TABLE } from "./static_table.ts";

/** SETTINGS_HEADER_TABLE_SIZE that we keep to; the default, so nothing need be announced. */
const MAX_TABLE_BYTES = 4_096;
/** What an entry costs beyond its text, RFC 7541 section 4.1. */
const ENTRY_OVERHEAD_BYTES = 32;

export interface DecodedBlock {
  fields: Field[];
  /** True when the list was longer than the limit; `fields` then holds what fitted. The table is right in any case. */
  tooLarge: boolean;
}

/** HPACK's receiving side (RFC 7541): one per connection, fed every header block in order. */
export class HpackDecoder {
  readonly #maxListBytes: number;
  /** Newest first, as indices count. */
  readonly #entries: Field[] = [];
  #sizeBytes = 0;
  #maxBytes = MAX_TABLE_BYTES;
  #block: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /** @throws {ConnectionError} COMPRESSION_ERROR for anything that is no header block. */
  decode(block: Uint8Array): DecodedBlock {
    this.#block = block;
    this.#at = 0;
    const fields: Field[] = [];
    let listBytes = 0;
    let sizeUpdates = 0;
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if ((first & 0xe0) === 0x20) {
        // At most two, and only before the first field (RFC 7541 section 4.2).
        if (listBytes > 0 || ++sizeUpdates > 2) throw broken("table size update in the wrong place");
        this.#resize(this.#integer(5));
        continue;
      }
      const field = first & 0x80 ? this.#entry(this.#integer(7)) : this.#literal(first);
      listBytes += costOf(field);
      if (listBytes <= this.#maxListBytes) fields.push(field);
    }
    return { fields, tooLarge: listBytes > this.#maxListBytes };
  }

  #literal(first: number): Field {
    const remembered = (first & 0xc0) === 0x40;
    const index = this.#integer(remembered ? 6 : 4);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    const field: Field = [name, this.#text()];
    if (remembered) this.#add(field);
    return field;
  }

  #entry(index: number): Field {
    const field = index <= STATIC_TABLE.length
      ? STATIC_TABLE[index - 1]
      : this.#entries[index - STATIC_TABLE.length - 1];
    if (!field) throw broken(`no header table entry ${index}`);
    return field;
  }

  #add(field: Field): void {
    this.#entries.unshift(field);
    this.#sizeBytes += costOf(field);
    this.#evict();
  }

  #resize(maxBytes: number): void {
    if (maxBytes > MAX_TABLE_BYTES) throw broken(`header table of ${maxBytes} bytes asked for`);
    this.#maxBytes = maxBytes;
    this.#evict();
  }

  #evict(): void {
    while (this.#sizeBytes > this.#maxBytes) this.#sizeBytes -= costOf(this.#entries.pop()!);
  }

  /** RFC 7541 section 5.1, with a limit of 28 bits. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    throw broken("integer too long");
  }

  #text(): string {
    const huffman = (this.#block[this.#at] ?? 0) & 0x80;
    const length = this.#integer(7);
    const end = this.#at + length;
    if (end > this.#block.length) throw broken("string beyond the end of its block");
    const bytes = this.#block.subarray(this.#at, end);
    this.#at = end;
    return huffman ? decodeHuffman(bytes) : latin1(bytes);
  }

  #byte(): number {
    if (this.#at >= this.#block.length) throw broken("header block ends inside a field");
    return this.#block[this.#at++]!;
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

function costOf([name, value]: Field): number {
  return name.length + value.length + ENTRY_OVERHEAD_BYTES;
}

function broken(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, message);
}
