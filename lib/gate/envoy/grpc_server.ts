import {
  closeQuietly,
  type Field,
  Http2Connection,
  type Http2Stream,
  PREFACE,
  type RequestHead,
  ServerRole,
} from "../../http2/mod.ts";

/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const OK = "0";
const UNKNOWN = "2";
const UNIMPLEMENTED = "12";
const PREFIX_BYTES = 5;
/** Five thousand names with their versions are half a megabyte. */
const MOST_MESSAGE_BYTES = 16 * 1_048_576;
const ACCEPT_RETRY_MS = 50;

/** A bidirectional call: messages as bytes, both ways. */
export interface GrpcCall {
  messages(): AsyncGenerator<Uint8Array>;
  send(message: Uint8Array): Promise<void>;
}

/** Serves one method until it has nothing more to say. */
export type GrpcMethod = (call: GrpcCall) => Promise<void>;

/**
 * gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) on a Unix socket, without compression: @grpc/grpc-js wants a
 * `node:http2` server, and the one of the compiled executable's runtime cannot be used.
 */
export class GrpcServer implements AsyncDisposable {
  readonly #listener: Deno.UnixListener;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #connections = new Set<Http2Connection>();
  #accepting: Promise<void>;
  #closed = false;

  /** @param methods by path, e.g. `/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources` */
  constructor(path: string, methods: ReadonlyMap<string, GrpcMethod>) {
    this.#methods = methods;
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#accepting = this.#accept();
  }

  async #accept(): Promise<void> {
    while (!this.#closed) {
      try {
        void this.#serve(await this.#listener.accept());
      } catch {
        if (this.#closed) return;
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      }
    }
  }

  async #serve(conn: Deno.UnixConn): Promise<void> {
    const role = new ServerRole((stream, head) => this.#answer(stream, head));
    const connection = new Http2Connection(conn, role);
    this.#connections.add(connection);
    try {
      if (await readPreface(conn)) await connection.run();
    } catch {
      // The socket ended before it said anything.
    } finally {
      this.#connections.delete(connection);
      closeQuietly(conn);
    }
  }

  async #answer(stream: Http2Stream, head: RequestHead): Promise<void> {
    const method = this.#methods.get(head.path);
    const fields: Field[] = [[":status", "200"], ["content-type", "application/grpc"]];
    if (!method) return stream.sendHeaders([...fields, ["grpc-status", UNIMPLEMENTED]], true);
    stream.sendHeaders(fields);
    try {
      await method({ messages: () => messagesOf(stream), send: (message) => stream.write(framed(message)) });
      stream.end([["grpc-status", OK]]);
    } catch (error) {
      // Envoy writes it into its log.
      stream.end([["grpc-status", UNKNOWN], ["grpc-message", encodeURIComponent(String(error)).slice(0, 500)]]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    closeQuietly(this.#listener);
    await this.#accepting;
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }
}

async function readPreface(conn: Deno.UnixConn): Promise<boolean> {
  const bytes = new Uint8Array(PREFACE.length);
  for (let length = 0; length < bytes.length;) {
    const count = await conn.read(bytes.subarray(length));
    if (count === null) return false;
    length += count;
  }
  return bytes.every((byte, at) => byte === PREFACE[at]);
}

function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

async function* messagesOf(stream: Http2Stream): AsyncGenerator<Uint8Array> {
  const prefix = new Uint8Array(PREFIX_BYTES);
  while (await fill(stream, prefix)) {
    const sizeBytes = new DataView(prefix.buffer).getUint32(1);
    if (prefix[0] !== 0) throw new Error("a compressed message");
    if (sizeBytes > MOST_MESSAGE_BYTES) throw new Error(`a message of ${sizeBytes} bytes`);
    const message = new Uint8Array(sizeBytes);
    if (!await fill(stream, message)) throw new Error("a message was cut");
    yield message;
  }
}

/** False when the stream ended before the first byte. @throws it ended within */
async function fill(stream: Http2Stream, into: Uint8Array): Promise<boolean> {
  for (let at = 0; at < into.length;) {
    const bytes = await stream.read();
    if (bytes === null) {
      if (at === 0) return false;
      throw new Error("a message was cut");
    }
    const count = Math.min(bytes.length, into.length - at);
    into.set(bytes.subarray(0, count), at);
    stream.taken(count);
    at += count;
  }
  return true;
}
