/** ClientHellos as clients write them, byte by byte as the test wants them. */

export interface HelloParts {
  /** Left out: no server_name extension. */
  serverName?: string;
  alpn?: readonly string[];
  /** Further extensions, in order before the others. */
  extensions?: readonly { type: number; content: Uint8Array }[];
  /** Ends after the compression methods, as TLS 1.0 may. */
  noExtensions?: boolean;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

/** `content` with its length before it. */
export function vector(lengthBytes: 1 | 2 | 3, content: Uint8Array): Uint8Array {
  const length = Array.from({ length: lengthBytes }, (_, at) => content.length >> 8 * (lengthBytes - 1 - at) & 0xff);
  return joined(Uint8Array.from(length), content);
}

function extension(type: number, content: Uint8Array): Uint8Array {
  return joined(Uint8Array.of(type >> 8, type & 0xff), vector(2, content));
}

/** The handshake message without a record around it. */
export function helloMessage(parts: HelloParts): Uint8Array {
  const extensions = [
    ...(parts.extensions ?? []).map(({ type, content }) => extension(type, content)),
    extension(0x002b, Uint8Array.of(4, 3, 4, 3, 3)), // supported_versions: 1.3, 1.2
    extension(0x000a, vector(2, Uint8Array.of(0, 29))), // supported_groups: x25519
    extension(0x000d, vector(2, Uint8Array.of(4, 3))), // signature_algorithms
    extension(0x0033, vector(2, joined(Uint8Array.of(0, 29), vector(2, new Uint8Array(32).fill(9))))), // key_share
  ];
  if (parts.serverName !== undefined) {
    const name = joined(Uint8Array.of(0), vector(2, bytes(parts.serverName)));
    extensions.push(extension(0, vector(2, name)));
  }
  if (parts.alpn) extensions.push(extension(16, vector(2, joined(...parts.alpn.map((one) => vector(1, bytes(one)))))));
  const body = joined(
    Uint8Array.of(3, 3),
    new Uint8Array(32).fill(7), // random
    vector(1, new Uint8Array(32).fill(5)), // session id
    vector(2, Uint8Array.of(0x13, 1, 0x13, 2, 0xc0, 0x2f)), // cipher suites
    vector(1, Uint8Array.of(0)), // no compression
    parts.noExtensions ? new Uint8Array() : vector(2, joined(...extensions)),
  );
  return joined(Uint8Array.of(1), vector(3, body));
}

/** `message` in TLS records of at most `recordBytes`. */
export function records(message: Uint8Array, recordBytes = 16_384): Uint8Array {
  const all: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    all.push(joined(Uint8Array.of(22, 3, 1), vector(2, message.subarray(at, at + recordBytes))));
  }
  return joined(...all);
}

/** What a client sends first. */
export function clientHello(parts: HelloParts): Uint8Array {
  return records(helloMessage(parts));
}
