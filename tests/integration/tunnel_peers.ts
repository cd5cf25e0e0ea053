/** The two sides of a tunnel under test: an app on TCP, and a client on `node:http2`, which shares no code with the end. */
import http2 from "node:http2";
import { Buffer } from "node:buffer";

/** What a client saw of a stream. */
export interface ClientTunnel {
  stream: http2.ClientHttp2Stream;
  status: Promise<number>;
  /** All bytes until END_STREAM; rejects when the stream is reset. */
  body: Promise<Uint8Array>;
  /** The code of RST_STREAM once the stream is closed, 0 after a clean end. */
  closed: Promise<number>;
  received: () => number;
  /** Writes and resolves when the bytes have left for the wire. */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
}

/** A client's connection; closes with `using`. */
export class Client implements AsyncDisposable {
  readonly session: http2.ClientHttp2Session;

  constructor(port: number) {
    this.session = http2.connect(`http://127.0.0.1:${port}`);
    this.session.on("error", () => {});
  }

  request(headers: http2.OutgoingHttpHeaders, paused = false): ClientTunnel {
    const stream = this.session.request(headers, { endStream: false });
    const pieces: Uint8Array[] = [];
    let received = 0;
    const status = new Promise<number>((resolve, reject) => {
      stream.on("response", (fields) => resolve(Number(fields[":status"])));
      stream.on("close", () => reject(new Error("closed without an answer")));
    });
    const closed = new Promise<number>((resolve) => stream.on("close", () => resolve(stream.rstCode ?? 0)));
    if (!paused) {
      stream.on("data", (piece: Buffer) => {
        received += piece.length;
        pieces.push(new Uint8Array(piece));
      });
    }
    let ended = false;
    stream.on("end", () => ended = true);
    stream.on("error", () => {});
    const body = closed.then((code) => {
      if (code !== 0 || !ended) throw new Error(`reset with ${code}`);
      return new Uint8Array(Buffer.concat(pieces));
    });
    for (const promise of [status, body]) promise.catch(() => {});
    return {
      stream,
      status,
      body,
      closed,
      received: () => received,
      write: (bytes) =>
        new Promise<void>((resolve, reject) => stream.write(bytes, (error) => error ? reject(error) : resolve())),
      end: () => void stream.end(),
    };
  }

  tunnel(name = "app", paused = false): ClientTunnel {
    return this.request({ ":method": "POST", ":path": `/_hbone/${name}` }, paused);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.destroyed) return;
    const closed = new Promise<void>((resolve) => this.session.on("close", () => resolve()));
    this.session.destroy();
    await closed;
  }
}

/** A TCP app whose connections are handed out in order. */
export class App implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.TcpConn[] = [];

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async accept(): Promise<Deno.TcpConn> {
    const conn = await this.#listener.accept();
    this.#conns.push(conn);
    return conn;
  }

  /** Serves every connection alike until the app is disposed of. */
  async serve(answer: (conn: Deno.TcpConn) => Promise<void>): Promise<void> {
    try {
      for (;;) {
        const conn = await this.#listener.accept();
        answer(conn).catch(() => {}).finally(() => close(conn));
      }
    } catch {
      // The listener was closed.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    close(this.#listener);
    this.#conns.forEach(close);
    return Promise.resolve();
  }
}

export function close(conn: { close(): void }): void {
  try {
    conn.close();
  } catch {
    // Closed by the test already.
  }
}

/** Everything until the other side's end; rejects on a RST. */
export async function readAll(conn: Deno.TcpConn): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
    pieces.push(buffer.slice(0, count));
  }
  return new Uint8Array(Buffer.concat(pieces));
}

export async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

/** Sends back what comes, and ends when the other side ends. */
export async function echo(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
    await writeAll(conn, buffer.subarray(0, count));
  }
  await conn.closeWrite();
}

export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(count, at + 65_536)));
  return bytes;
}

export async function sha256(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))).toHex();
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `holds`, at most two seconds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let waitedMs = 0; !await holds(); waitedMs += 10) {
    if (waitedMs > 2_000) throw new Error(`not within 2 s: ${what}`);
    await pause(10);
  }
}
