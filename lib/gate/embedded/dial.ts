import { lookup } from "node:dns/promises";
import { closeQuietly } from "../../http2/mod.ts";

/** A front end, by the origin of its services' URLs. */
export interface FrontEnd {
  /** Name or address; what its certificate must have. */
  hostname: string;
  port: number;
  /** Without TLS. */
  cleartext: boolean;
  /** PEM, beside the system's roots. */
  roots: string | undefined;
}

/**
 * A connection that speaks HTTP/2, over TLS unless the front end is in cleartext. A name's addresses are tried in their order, each with
 * its share of the time: `Deno.connect` would try the first alone, which may be of a family that leads nowhere.
 * @throws the last address's error
 */
export async function dial(frontEnd: FrontEnd, timeoutMs: number): Promise<Deno.TcpConn | Deno.TlsConn> {
  const endMs = performance.now() + timeoutMs;
  const addresses = await within(lookup(bare(frontEnd.hostname), { all: true }), timeoutMs, () => {});
  let failure: unknown = new Error(`${frontEnd.hostname} has no address`);
  for (const [at, { address }] of addresses.entries()) {
    const shareMs = (endMs - performance.now()) / (addresses.length - at);
    if (shareMs <= 0) break;
    try {
      return await dialAddress(frontEnd, address, shareMs);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function dialAddress(
  frontEnd: FrontEnd,
  address: string,
  timeoutMs: number,
): Promise<Deno.TcpConn | Deno.TlsConn> {
  let open: { close(): void } | undefined;
  let late = false;
  const connecting = (async () => {
    const tcp = await connectTcp(address, frontEnd.port);
    open = tcp;
    if (late) throw new Error("too late");
    if (frontEnd.cleartext) return tcp;
    const caCerts = frontEnd.roots === undefined ? [] : [frontEnd.roots];
    const tls = await Deno.startTls(tcp, { hostname: bare(frontEnd.hostname), caCerts, alpnProtocols: ["h2"] });
    open = tls;
    const { alpnProtocol } = await tls.handshake();
    if (alpnProtocol !== "h2") throw new Error("it does not speak HTTP/2");
    return tls;
  })();
  try {
    return await within(connecting, timeoutMs);
  } catch (error) {
    late = true;
    if (open) closeQuietly(open);
    connecting.then(closeQuietly, () => open && closeQuietly(open));
    throw error;
  }
}

/** With TCP_NODELAY, and keep-alive so that a peer that vanished is found out. */
export async function connectTcp(hostname: string, port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port });
  conn.setNoDelay(true);
  conn.setKeepAlive(true);
  return conn;
}

/** @throws {Deno.errors.TimedOut}; what comes later is handed to `onLate` */
export async function within<T>(work: Promise<T>, timeoutMs: number, onLate?: (value: T) => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isLate = false;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true;
      reject(new Deno.errors.TimedOut(`no answer within ${Math.round(timeoutMs)} ms`));
    }, timeoutMs);
  });
  work.then((value) => isLate && onLate?.(value), () => {});
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** An IPv6 address without the brackets it has in a URL. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}
