/**
 * The part of TLS that a gate reads without taking part in it: the ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2) in
 * its records (RFC 8446 section 5.1), for its server name (RFC 6066 section 3) and application protocols (RFC 7301 section 3.1).
 */

/**
 * What may arrive before the ClientHello is complete, records' heads included. Istio's clients need 300 to 600 bytes, with key shares
 * against quantum computers 2 KB, with a session ticket that holds a certificate chain some KB more. Envoy has the same bound.
 */
export const MOST_HELLO_BYTES = 16_384;

/** Why bytes are no ClientHello. */
export type HelloFault =
  | "not TLS"
  | "not a ClientHello"
  | "a record of no or too many bytes"
  | "another record inside the ClientHello"
  | "longer than 16 KiB"
  | "lengths that do not fit"
  | "the same extension twice"
  | "a server name that is no host name";

export type HelloState =
  | { kind: "more" }
  /** `serverName` in lower case without a final dot; missing where the client names none. `alpn` in the client's order. */
  | { kind: "hello"; serverName: string | undefined; alpn: readonly string[] }
  | { kind: "malformed"; reason: HelloFault };

const MORE: HelloState = { kind: "more" };
const HANDSHAKE_RECORD = 22;
const RECORD_HEAD_BYTES = 5;
const MOST_RECORD_BYTES = 16_384;
const CLIENT_HELLO = 1;
const MESSAGE_HEAD_BYTES = 4;
const FIRST_BUFFER_BYTES = 2_048;

/** Takes a client's first bytes as they come, keeps them, and says as soon as can be what they are. Never throws; time grows with the bytes alone. */
export class ClientHelloReader {
  #received = new Uint8Array(FIRST_BUFFER_BYTES);
  #receivedBytes = 0;
  /** The handshake's bytes without the records' heads. */
  #message = new Uint8Array(FIRST_BUFFER_BYTES);
  #messageBytes = 0;
  /** Up to where records were read. */
  #at = 0;
  #recordLeftBytes = 0;
  #state: HelloState = MORE;

  /** Everything taken: what has to go on to the other side. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#received.subarray(0, this.#receivedBytes);
  }

  /** Takes the next bytes; after anything but `more` there is nothing to take. */
  take(bytes: Uint8Array): HelloState {
    if (this.#state.kind !== "more") return this.#state;
    const room = MOST_HELLO_BYTES - this.#receivedBytes;
    this.#received = grown(this.#received, this.#receivedBytes + bytes.length);
    this.#received.set(bytes, this.#receivedBytes);
    this.#receivedBytes += bytes.length;
    this.#state = this.#readRecords();
    // What follows a complete ClientHello in the same read is no part of it.
    if (this.#state.kind === "more" && bytes.length >= room) this.#state = malformed("longer than 16 KiB");
    return this.#state;
  }

  #readRecords(): HelloState {
    for (;;) {
      const left = this.#receivedBytes - this.#at;
      if (this.#recordLeftBytes > 0) {
        if (left === 0) return MORE;
        const part = Math.min(left, this.#recordLeftBytes);
        this.#append(this.#received.subarray(this.#at, this.#at + part));
        this.#at += part;
        this.#recordLeftBytes -= part;
        const state = this.#readMessage();
        if (state.kind !== "more") return state;
        continue;
      }
      const fault = this.#recordFault(left);
      if (fault) return malformed(fault);
      if (left < RECORD_HEAD_BYTES) return MORE;
      this.#recordLeftBytes = uint16(this.#received, this.#at + 3);
      this.#at += RECORD_HEAD_BYTES;
    }
  }

  /** What is wrong with the record's head, as far as it is there. The version's second byte is not looked at: it says nothing any more. */
  #recordFault(left: number): HelloFault | undefined {
    const head = this.#received;
    if (left > 0 && head[this.#at] !== HANDSHAKE_RECORD) {
      return this.#at === 0 ? "not TLS" : "another record inside the ClientHello";
    }
    if (left > 1 && head[this.#at + 1] !== 3) return "not TLS";
    if (left < RECORD_HEAD_BYTES) return undefined;
    const length = uint16(head, this.#at + 3);
    return length === 0 || length > MOST_RECORD_BYTES ? "a record of no or too many bytes" : undefined;
  }

  #append(bytes: Uint8Array): void {
    this.#message = grown(this.#message, this.#messageBytes + bytes.length);
    this.#message.set(bytes, this.#messageBytes);
    this.#messageBytes += bytes.length;
  }

  #readMessage(): HelloState {
    if (this.#message[0] !== CLIENT_HELLO) return malformed("not a ClientHello");
    if (this.#messageBytes < MESSAGE_HEAD_BYTES) return MORE;
    const length = this.#message[1]! << 16 | uint16(this.#message, 2);
    if (length > MOST_HELLO_BYTES - RECORD_HEAD_BYTES - MESSAGE_HEAD_BYTES) return malformed("longer than 16 KiB");
    if (this.#messageBytes < MESSAGE_HEAD_BYTES + length) return MORE;
    return readHello(new Fields(this.#message.subarray(MESSAGE_HEAD_BYTES, MESSAGE_HEAD_BYTES + length)));
  }
}

const Extension = { SERVER_NAME: 0, ALPN: 16 } as const;
const HOST_NAME = 0;

function readHello(hello: Fields): HelloState {
  hello.skip(2 + 32); // version, random
  const sessionId = hello.vector(1);
  const cipherSuites = hello.vector(2);
  const compressions = hello.vector(1);
  if (
    hello.failed || sessionId.left > 32 || cipherSuites.left % 2 === 1 || cipherSuites.left * compressions.left === 0
  ) {
    return malformed("lengths that do not fit");
  }
  let serverName: string | undefined;
  let alpn: string[] = [];
  const seen = new Set<number>();
  // TLS 1.0 to 1.2 may have none at all; else the list's length is the last thing in the message.
  const extensions = hello.left > 0 ? hello.vector(2) : new Fields(new Uint8Array());
  if (hello.failed || hello.left > 0) return malformed("lengths that do not fit");
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (extensions.failed) return malformed("lengths that do not fit");
    if (seen.has(type)) return malformed("the same extension twice");
    seen.add(type);
    if (type === Extension.SERVER_NAME) {
      const read = readServerName(content);
      if (typeof read === "object") return read;
      serverName = read;
    }
    if (type === Extension.ALPN) {
      const read = readProtocols(content);
      if (!read) return malformed("lengths that do not fit");
      alpn = read;
    }
  }
  return { kind: "hello", serverName, alpn };
}

/** Letters, digits, hyphens, and underscores, which Istio's names have; labels are not empty. */
const HOST = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;
/** A DNS name of 253 with Istio's `outbound_.65535_.<subset>_.` before it. */
const MOST_NAME_BYTES = 400;

function readServerName(content: Fields): string | HelloState {
  const names = content.vector(2);
  if (names.left === 0 || content.left > 0) return malformed("lengths that do not fit");
  const kind = names.number(1);
  const bytes = names.vector(2).rest();
  // Since 1999 there is one kind, and no list may have two names of it: whoever sends more means something else.
  if (names.failed || names.left > 0) return malformed("lengths that do not fit");
  if (kind !== HOST_NAME || bytes.length > MOST_NAME_BYTES) return malformed("a server name that is no host name");
  const name = latin1(bytes).toLowerCase().replace(/\.$/, "");
  return HOST.test(name) ? name : malformed("a server name that is no host name");
}

function readProtocols(content: Fields): string[] | undefined {
  const list = content.vector(2);
  if (list.left === 0 || content.left > 0) return undefined;
  const protocols: string[] = [];
  while (list.left > 0) {
    const name = list.vector(1).rest();
    if (name.length === 0) return undefined;
    protocols.push(latin1(name));
  }
  return list.failed ? undefined : protocols;
}

/** Reads numbers and vectors in order; what is not there makes `failed` true and gives nothing. */
class Fields {
  failed = false;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(count: number): void {
    if (count > this.left) this.#fail();
    else this.#at += count;
  }

  number(sizeBytes: 1 | 2): number {
    const from = this.#at;
    this.skip(sizeBytes);
    if (this.failed) return 0;
    return sizeBytes === 1 ? this.#bytes[from]! : uint16(this.#bytes, from);
  }

  /** Bytes with their count before them. */
  vector(countBytes: 1 | 2): Fields {
    const count = this.number(countBytes);
    const from = this.#at;
    this.skip(count);
    return new Fields(this.failed ? new Uint8Array() : this.#bytes.subarray(from, from + count));
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  #fail(): void {
    this.failed = true;
    this.#at = this.#bytes.length;
  }
}

function malformed(reason: HelloFault): HelloState {
  return { kind: "malformed", reason };
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 8 | bytes[at + 1]!;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** `buffer`, or a larger one with the same content. */
function grown(buffer: Uint8Array<ArrayBuffer>, neededBytes: number): Uint8Array<ArrayBuffer> {
  if (neededBytes <= buffer.length) return buffer;
  const larger = new Uint8Array(Math.max(neededBytes, buffer.length * 2));
  larger.set(buffer);
  return larger;
}
