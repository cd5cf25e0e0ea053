import { openLibc } from "./libc.ts";

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
const AF_INET6 = 10;
/** Descriptors are looked for up to here; a container's limit is seldom above. */
const MOST_DESCRIPTORS = 131_072;

type Calls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
type Read = Calls["getsockname"];

let libc: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

/**
 * Ports of connections → the descriptor that had them when a search passed by; asked again before it is used. Tunnels end by the hundred
 * when their front end goes: a search for each of them from the first descriptor on would take milliseconds a tunnel.
 */
const seen = new Map<number, number>();
const MOST_SEEN = 65_536;

/** True where {@link abort} really sends a RST: Linux with glibc, and `--allow-ffi` for it. */
export function canAbort(): boolean {
  return symbols() !== undefined;
}

/**
 * Ends a TCP connection with a RST, so that the other side cannot take what it has for all there is.
 *
 * Deno has no call for this: `close` shuts the sending side down first, and the peer reads a clean end (2.6 and 2.9, even with
 * unread data); `node:net`'s `resetAndDestroy` is missing in 2.6 and its sockets move half as many bytes. Connecting to AF_UNSPEC
 * dissolves a TCP association with a RST (connect(2), Linux); the socket is found by its two ports, since Deno keeps descriptors to itself.
 */
export function abort(conn: AbortableConn): void {
  const calls = symbols();
  const descriptor = calls && descriptorOf(calls, conn);
  if (descriptor !== undefined) calls!.connect(descriptor, new Uint8Array(SOCKADDR_BYTES), 16);
  try {
    conn.close();
  } catch {
    // Closed already.
  }
}

/** The library stays open until this: tests that count resources call it. */
export function closeAbortLibrary(): void {
  libc?.close();
  libc = undefined;
  seen.clear();
}

function symbols(): Calls | undefined {
  return (libc ??= openLibc(SYMBOLS))?.symbols;
}

/** Both ports and both addresses of a TCP connection are one socket's alone, and it cannot be closed while `conn` is open. */
function descriptorOf(
  { getsockname, getpeername }: Calls,
  { localAddr, remoteAddr }: AbortableConn,
): number | undefined {
  if (localAddr.transport !== "tcp" || remoteAddr.transport !== "tcp") return undefined;
  const [local, remote] = [addressBytes(localAddr.hostname), addressBytes(remoteAddr.hostname)];
  const wanted = portsKey(localAddr.port, remoteAddr.port);
  const portsOf = (descriptor: number) => {
    const localPort = portOf(getsockname, descriptor);
    const remotePort = localPort === undefined ? undefined : portOf(getpeername, descriptor);
    return remotePort === undefined ? undefined : portsKey(localPort!, remotePort);
  };
  const hasAddresses = (descriptor: number) =>
    hasAddress(getsockname, descriptor, local) && hasAddress(getpeername, descriptor, remote);
  const known = seen.get(wanted);
  if (known !== undefined && portsOf(known) === wanted && hasAddresses(known)) return known;
  if (seen.size > MOST_SEEN) seen.clear();
  for (let descriptor = 3; descriptor < MOST_DESCRIPTORS; descriptor++) {
    const ports = portsOf(descriptor);
    if (ports === undefined) continue;
    seen.set(ports, descriptor);
    if (ports === wanted && hasAddresses(descriptor)) return descriptor;
  }
  return undefined;
}

function portsKey(local: number, remote: number): number {
  return local * 65_536 + remote;
}

const address = new Uint8Array(SOCKADDR_BYTES);
const lengthBytes = new Uint32Array(1);
const family = new Uint16Array(address.buffer, 0, 1);

/** Fills {@link address}; undefined where the descriptor is no TCP socket with such an end. */
function portOf(name: Read, descriptor: number): number | undefined {
  lengthBytes[0] = SOCKADDR_BYTES;
  if (name(descriptor, address, lengthBytes) !== 0) return undefined;
  return family[0] === AF_INET || family[0] === AF_INET6 ? address[2]! << 8 | address[3]! : undefined;
}

/** An IPv4 address may come as one of IPv6 (RFC 4291 section 2.5.5.2): of those the last four bytes are compared. */
function hasAddress(name: Read, descriptor: number, wanted: readonly number[]): boolean {
  if (portOf(name, descriptor) === undefined) return false;
  const end = family[0] === AF_INET ? 8 : 24;
  const compared = Math.min(wanted.length, family[0] === AF_INET ? 4 : 16);
  return address.subarray(end - compared, end).every((byte, at) => byte === wanted[wanted.length - compared + at]);
}

/** Bytes of an address as Deno writes it: `127.0.0.1`, `::ffff:127.0.0.1`, `fe80::1`. */
function addressBytes(text: string): number[] {
  if (text.includes(".")) return text.slice(text.lastIndexOf(":") + 1).split(".").map(Number);
  const groups = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [before, after] = text.split("::") as [string, string?];
  const [head, tail] = [groups(before), groups(after ?? "")];
  const all = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return all.flatMap((group) => [group >> 8, group & 0xff]);
}
