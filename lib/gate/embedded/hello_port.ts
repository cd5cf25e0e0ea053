import { closeQuietly } from "../../http2/mod.ts";
import { ClientHelloReader, type HelloState, MOST_HELLO_BYTES } from "../client_hello.ts";
import type { RejectedKind } from "./counters.ts";

const HELLO_MS = 5_000;
const MOST_WAITING = 1_000;
const FIRST_READ_BYTES = 4_096;
const ACCEPT_RETRY_MS = 50;
/** What a connection that has not said its name yet has left when a drain begins: its ClientHello may be on the way. */
const DRAIN_HELLO_MS = 100;

export interface HelloPortOptions {
  hostname: string;
  port: number;
  /** SO_REUSEPORT: other threads listen on the same port. */
  shared: boolean;
  /** @default {5000} */
  helloMs?: number | undefined;
  /** @default {1000} */
  waiting?: number | undefined;
  /** Takes a connection whose client asks for `serverName`; `first` is all that it has said. Closing is then up to the taker. */
  onHello(conn: Deno.TcpConn, serverName: string, first: Uint8Array): void;
  /** A connection was closed before it was handed on. */
  onRejected(kind: RejectedKind): void;
}

/** A listener that knows what name each client asks for before anybody else sees it. */
export class HelloPort {
  readonly port: number;
  readonly #options: HelloPortOptions;
  readonly #listener: Deno.TcpListener;
  /** Connections without a complete ClientHello, the longest waiting first, and what closes them. */
  readonly #waiting = new Map<Deno.TcpConn, (kind: RejectedKind | "closed") => void>();
  readonly #accepting: Promise<void>;
  #closed = false;

  /** @throws the runtime's error when the port is taken. */
  constructor(options: HelloPortOptions) {
    this.#options = options;
    this.#listener = Deno.listen({ hostname: options.hostname, port: options.port, reusePort: options.shared });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#accepting = this.#accept();
  }

  /** Accepts nothing new; who has not said its name soon is closed. */
  async drain(): Promise<void> {
    this.#stopListening();
    await this.#accepting;
    if (this.#waiting.size === 0) return;
    await new Promise((resolve) => setTimeout(resolve, DRAIN_HELLO_MS));
    await this.close();
  }

  async close(): Promise<void> {
    this.#stopListening();
    for (const end of [...this.#waiting.values()]) end("closed");
    await this.#accepting;
  }

  #stopListening(): void {
    this.#closed = true;
    closeQuietly(this.#listener);
  }

  async #accept(): Promise<void> {
    while (!this.#closed) {
      try {
        const conn = await this.#listener.accept();
        this.#makeRoom();
        void this.#serve(conn);
      } catch (error) {
        if (this.#closed || error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
          return;
        }
        // The peer was gone before it was accepted, or descriptors are short: later ones may be had.
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      }
    }
  }

  /** An honest client's ClientHello is there at once: who waits longest is likeliest not to be one. */
  #makeRoom(): void {
    if (this.#waiting.size < (this.#options.waiting ?? MOST_WAITING)) return;
    for (const end of this.#waiting.values()) return end("slow");
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    let rejected: RejectedKind | "closed" | undefined;
    const timer = setTimeout(() => this.#waiting.get(conn)?.("slow"), this.#options.helloMs ?? HELLO_MS);
    this.#waiting.set(conn, (kind) => {
      rejected = kind;
      this.#waiting.delete(conn);
      closeQuietly(conn);
    });
    const reader = new ClientHelloReader();
    let hello: HelloState | undefined;
    try {
      conn.setNoDelay(true);
      conn.setKeepAlive(true);
      hello = await readHello(conn, reader);
    } catch {
      // Closed by the client, or by us.
    }
    clearTimeout(timer);
    this.#waiting.delete(conn);
    if (!rejected && hello?.kind === "hello" && hello.serverName !== undefined) {
      return this.#options.onHello(conn, hello.serverName, reader.bytes);
    }
    closeQuietly(conn);
    rejected ??= hello?.kind === "hello" ? "none" : "malformed";
    if (rejected !== "closed") this.#options.onRejected(rejected);
  }
}

/** `more` when the client ended before its ClientHello was complete. */
async function readHello(conn: Deno.TcpConn, reader: ClientHelloReader): Promise<HelloState> {
  const buffer = new Uint8Array(FIRST_READ_BYTES);
  for (;;) {
    const room = MOST_HELLO_BYTES - reader.bytes.length;
    const count = await conn.read(buffer.subarray(0, Math.min(buffer.length, room)));
    if (count === null) return { kind: "more" };
    const state = reader.take(buffer.subarray(0, count));
    if (state.kind !== "more") return state;
  }
}
