import { openLibc } from "../base/libc.ts";
import { closeQuietly } from "../http2/mod.ts";

/** A TCP connection that can be ended abruptly. */
export interface AbortableConn {
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
  close(): void;
}

const SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
} as const;

/** sizeof(struct sockaddr_storage), connect(2). */
const SOCKADDR_BYTES = 128;
const AF_INET = 2;
/** Descriptors are looked for up to here; a container's limit is seldom above. */
const MOST_DESCRIPTORS = 65_536;

type Calls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let libc: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

/** True where {@link abort} really sends a RST: Linux with glibc, and `--allow-ffi` for it. */
export function canAbort(): boolean {
  return symbols() !== undefined;
}

/**
 * Ends a TCP connection over IPv4 with a RST, so that the other side cannot take what it has for all there is.
 *
 * Deno has no call for this: `close` shuts the sending side down first, and the peer reads a clean end (2.6 and 2.9, even with
 * unread data); `node:net`'s `resetAndDestroy` is missing in 2.6 and its sockets move half as many bytes. Connecting to AF_UNSPEC
 * dissolves a TCP association with a RST (connect(2), Linux); the socket is found by its two ports, since Deno keeps descriptors to itself.
 */
export function abort(conn: AbortableConn): void {
  const calls = symbols();
  const descriptor = calls && descriptorOf(calls, conn);
  if (descriptor !== undefined) calls!.connect(descriptor, new Uint8Array(SOCKADDR_BYTES), 16);
  closeQuietly(conn);
}

/** The library stays open until this: tests that count resources call it. */
export function closeAbortLibrary(): void {
  libc?.close();
  libc = undefined;
}

function symbols(): Calls | undefined {
  return (libc ??= openLibc(SYMBOLS))?.symbols;
}

/** Both ports and both addresses of a TCP connection are one socket's alone, and it cannot be closed while `conn` is open. */
function descriptorOf({ getsockname, getpeername }: Calls, conn: AbortableConn): number | undefined {
  const { localAddr, remoteAddr } = conn;
  if (localAddr.transport !== "tcp" || remoteAddr.transport !== "tcp") return undefined;
  const address = new Uint8Array(SOCKADDR_BYTES);
  const length = new Uint32Array([SOCKADDR_BYTES]);
  const named = (read: typeof getsockname, descriptor: number, wanted: Deno.NetAddr) => {
    length[0] = SOCKADDR_BYTES;
    if (read(descriptor, address, length) !== 0) return false;
    const family = new Uint16Array(address.buffer, 0, 1)[0];
    const port = address[2]! << 8 | address[3]!;
    return family === AF_INET && port === wanted.port && address.subarray(4, 8).join(".") === wanted.hostname;
  };
  for (let descriptor = 3; descriptor < MOST_DESCRIPTORS; descriptor++) {
    if (named(getsockname, descriptor, localAddr) && named(getpeername, descriptor, remoteAddr)) return descriptor;
  }
  return undefined;
}
