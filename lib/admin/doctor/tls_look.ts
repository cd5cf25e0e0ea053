import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { Problem, reasonOf } from "../../base/errors.ts";

/** What a server shows of itself in a TLS handshake. */
export interface TlsLook {
  /** `undefined` where the runtime does not give it; Deno 2.6 gives no `names`, and knows of names alone whether it is for them. */
  leaf: { subject: string; names: readonly string[]; notAfter: number; isForName: boolean } | undefined;
  /** Why it is not trusted by these roots under this name; `undefined` where it is. */
  refusal: string | undefined;
}

export interface TlsPeer {
  host: string;
  port: number;
  /** Asked for, and expected in the certificate. */
  name: string;
  /** PEM; none for the system's own. */
  roots: string | undefined;
}

/**
 * Two handshakes: one that looks at whatever certificate there is, and one that is the runtime's own to accept or refuse.
 * In Deno 2.6 node:tls says of every certificate that it is good, and Deno's own TLS shows none: each is asked for what it knows.
 * @throws {Problem} nothing answers, or not in TLS
 */
export async function lookAtTls(peer: TlsPeer, signal: AbortSignal): Promise<TlsLook> {
  const [leaf, refusal] = await Promise.all([leafOf(peer, signal), refusalOf(peer, signal)]);
  return { leaf: leaf && factsOf(leaf, peer.name), refusal };
}

function leafOf({ host, port, name }: TlsPeer, signal: AbortSignal): Promise<X509Certificate | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<X509Certificate | undefined>();
  const isAddress = /^[\d.]+$|:/.test(name);
  const socket = connect(
    {
      host,
      port,
      ...(isAddress ? {} : { servername: name }),
      rejectUnauthorized: false,
      ALPNProtocols: ["h2", "http/1.1"],
    },
    () => {
      const { raw } = socket.getPeerCertificate() ?? {};
      resolve(raw?.length ? new X509Certificate(raw) : undefined);
    },
  );
  const stop = () => reject(signal.reason);
  socket.on("error", (error) => reject(unreachable(`${host}:${port}`, error)));
  socket.on("close", () => reject(unreachable(`${host}:${port}`, new Error("the connection was closed"))));
  signal.addEventListener("abort", stop, { once: true });
  return promise.finally(() => {
    signal.removeEventListener("abort", stop);
    socket.destroy();
  });
}

async function refusalOf({ host, port, name, roots }: TlsPeer, signal: AbortSignal): Promise<string | undefined> {
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => {});
  let conn: Deno.Conn | undefined;
  const stop = () => {
    stopped.reject(signal.reason);
    close(conn); // ends a handshake that nobody answers
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    const tcp = Deno.connect({ hostname: host, port, signal } as Deno.ConnectOptions);
    conn = await Promise.race([tcp, stopped.promise]).catch((error) => {
      tcp.then(close, () => {});
      throw signal.aborted ? signal.reason : unreachable(`${host}:${port}`, error);
    });
    const caCerts = roots?.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
    const tls = await Deno.startTls(conn as Deno.TcpConn, {
      hostname: name,
      caCerts,
      alpnProtocols: ["h2", "http/1.1"],
    });
    conn = tls;
    return await Promise.race([tls.handshake(), stopped.promise]).then(() => undefined, (error) => {
      signal.throwIfAborted();
      return reasonOf(error);
    });
  } finally {
    signal.removeEventListener("abort", stop);
    close(conn);
  }
}

function factsOf(leaf: X509Certificate, name: string): TlsLook["leaf"] {
  const names = (leaf.subjectAltName ?? "").split(", ").map((text) => text.replace(/^(DNS|IP Address|URI):/, ""));
  return {
    subject: leaf.subject?.replaceAll("\n", ", ") ?? "",
    names: names.filter(Boolean),
    notAfter: Date.parse(leaf.validTo),
    isForName: leaf.checkHost(name) !== undefined || names.includes(name),
  };
}

function unreachable(address: string, error: unknown): Problem {
  return new Problem({ tried: `reach ${address} by TLS`, got: reasonOf(error) });
}

function close(conn: Deno.Conn | undefined): void {
  try {
    conn?.close();
  } catch { /* closed before */ }
}
