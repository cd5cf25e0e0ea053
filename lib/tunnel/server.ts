import { AppHttp2 } from "./app_http2.ts";
import type { TunnelLimits, TunnelOptions, TunnelStats } from "./engine.ts";
import { closeQuietly, Http2Connection, PREFACE, ServerRole } from "../http2/mod.ts";
import { answerHttp1 } from "./http1_requests.ts";
import { answerHttp2 } from "./http2_requests.ts";

const FIRST_REQUEST_MS = 10_000;
const MOST_CONNECTIONS = 1_000;
/** What a connection that has said nothing has left when a drain begins: its request may be on the way. */
const SILENT_MS = 100;
const ACCEPT_RETRY_MS = 50;

/** What one thread serves. */
export interface ServerOptions extends Required<Pick<TunnelOptions, "port" | "hostname" | "routes" | "appPort">> {
  /** SO_REUSEPORT: other threads listen on the same port. */
  shared: boolean;
  limits?: TunnelLimits | undefined;
}

/** The tunnel's end on one thread. */
export class TunnelServer {
  readonly port: number;
  readonly stats: TunnelStats = { tunnelsOpen: 0, tunnelsTotal: 0, bytesIn: 0, bytesOut: 0 };
  readonly options: ServerOptions;
  readonly #listener: Deno.TcpListener;
  readonly #appHttp2: AppHttp2;
  readonly #sockets = new Set<Deno.TcpConn>();
  /** Those whose first request's head is not there yet. */
  readonly #silent = new Set<Deno.TcpConn>();
  /** Connections to the app for requests of HTTP/1.1. */
  readonly #http1Apps = new Set<Deno.TcpConn>();
  readonly #holdApp = (app: Deno.TcpConn) => {
    if (this.#closed) closeQuietly(app);
    this.#http1Apps.add(app);
    return () => void this.#http1Apps.delete(app);
  };
  readonly #connections = new Set<Http2Connection>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #draining = false;
  #closed = false;

  /**
   * @param listener one that is open, and the server's from now on  @default a new one
   * @throws the runtime's error when the port is taken
   */
  constructor(options: ServerOptions, listener?: Deno.TcpListener) {
    this.options = options;
    this.#appHttp2 = new AppHttp2(options.appPort);
    const { hostname, port, shared } = options;
    this.#listener = listener ?? Deno.listen({ hostname, port, reusePort: shared });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#accepting = this.#accept();
  }

  /**
   * Takes no more connections, and no more requests than are on their way; resolves when all have been answered and every tunnel has
   * ended. What is left after `limitMs` is ended.
   */
  async drain(limitMs: number): Promise<void> {
    this.#draining = true;
    closeQuietly(this.#listener);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, limitMs));
    const silentTimer = setTimeout(() => this.#silent.forEach(closeQuietly), SILENT_MS);
    for (const connection of this.#connections) void connection.drain();
    await Promise.race([late, this.#settled()]);
    clearTimeout(timer);
    clearTimeout(silentTimer);
    await this.close();
  }

  /** Ends every tunnel and connection. */
  async close(): Promise<void> {
    this.#closed = true;
    closeQuietly(this.#listener);
    await this.#accepting;
    await Promise.all([...this.#connections].map((connection) => connection.close()));
    for (const socket of [...this.#sockets, ...this.#http1Apps]) closeQuietly(socket);
    await this.#appHttp2.close();
    await this.#settled();
  }

  async #settled(): Promise<void> {
    await this.#accepting;
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    while (!this.#closed) {
      try {
        const socket = await this.#listener.accept();
        if (this.#sockets.size >= (this.options.limits?.connections ?? MOST_CONNECTIONS)) closeQuietly(socket);
        else this.#track(this.#serve(socket));
      } catch (error) {
        if (this.#closed || error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
          return;
        }
        // The peer was gone before it was accepted, or descriptors are short: later ones may be had.
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      }
    }
  }

  async #serve(socket: Deno.TcpConn): Promise<void> {
    this.#sockets.add(socket);
    this.#silent.add(socket);
    let connection: Http2Connection | undefined;
    const timer = setTimeout(
      () => connection ? void connection.close() : closeQuietly(socket),
      this.options.limits?.firstRequestMs ?? FIRST_REQUEST_MS,
    );
    const headRead = () => {
      clearTimeout(timer);
      this.#silent.delete(socket);
    };
    try {
      socket.setNoDelay(true);
      const first = await readPreface(socket);
      if (!first.isHttp2) {
        return await answerHttp1(socket, first.bytes, this.options.appPort, this.#holdApp, headRead);
      }
      this.#silent.delete(socket);
      const context = { options: this.options, appHttp2: this.#appHttp2, stats: this.stats };
      const role = new ServerRole((stream, head, hasBody) => {
        clearTimeout(timer);
        const answered = answerHttp2(context, stream, head, hasBody);
        this.#track(answered);
        return answered;
      });
      connection = new Http2Connection(socket, role, this.options.limits);
      this.#connections.add(connection);
      if (this.#closed) return await connection.close();
      if (this.#draining) void connection.drain();
      await connection.run(first.bytes);
    } catch {
      // The socket ended before it said anything.
    } finally {
      clearTimeout(timer);
      if (connection) this.#connections.delete(connection);
      this.#sockets.delete(socket);
      this.#silent.delete(socket);
      closeQuietly(socket);
    }
  }

  #track(running: Promise<void>): void {
    const settled: Promise<void> = running.catch(() => {}).then(() => void this.#running.delete(settled));
    this.#running.add(settled);
  }
}

/** Reads until the bytes are, or cannot become, HTTP/2's preface; `bytes` is what follows it, or all of it. */
async function readPreface(socket: Deno.TcpConn): Promise<{ isHttp2: boolean; bytes: Uint8Array }> {
  const bytes = new Uint8Array(1_024);
  let length = 0;
  for (;;) {
    const count = await socket.read(bytes.subarray(length));
    if (count === null) return { isHttp2: false, bytes: bytes.subarray(0, length) };
    length += count;
    const compared = Math.min(length, PREFACE.length);
    for (let i = 0; i < compared; i++) {
      if (bytes[i] !== PREFACE[i]) return { isHttp2: false, bytes: bytes.subarray(0, length) };
    }
    if (length >= PREFACE.length) return { isHttp2: true, bytes: bytes.subarray(PREFACE.length, length) };
  }
}
