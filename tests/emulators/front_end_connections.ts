/** The connections of Cloud Run's front end to containers, kept between requests. */
import {
  type ClientAnswer,
  closeQuietly,
  ErrorCode,
  type Field,
  Http2Client,
  type Http2Stream,
  StreamReset,
} from "../../lib/http2/mod.ts";

/** Streams on a connection to a container; with more, a further connection is opened. */
const STREAMS_PER_CONNECTION = 100;

/** A request on its way; disposing of it resets what has not ended. */
export interface ContainerCall extends Disposable {
  stream: Http2Stream;
  /** @throws {StreamReset} */
  answer: Promise<ClientAnswer>;
}

interface Connection {
  /** Undefined until it is open. */
  client?: Http2Client;
  opened: Promise<Http2Client>;
  conn?: Deno.TcpConn;
  streams: number;
}

/**
 * A container that says GOAWAY gets nothing new on that connection; what is open goes on to its end. Not on node:http2:
 * at a GOAWAY, Deno 2.9.6 cancels its client's open streams or aborts the process (https://github.com/denoland/deno/issues/36788).
 */
export class ContainerConnections implements AsyncDisposable {
  readonly #connections = new Map<number, Set<Connection>>();

  /**
   * Opens a stream to the container on `port`.
   * @param onReset is told once when the container or its connection resets the stream
   * @throws the runtime's error when nothing answers
   */
  async request(
    port: number,
    { fields, hasBody }: { fields: readonly Field[]; hasBody: boolean },
    onReset: (error: StreamReset) => void,
  ): Promise<ContainerCall> {
    for (;;) {
      const connection = this.#reserve(port);
      try {
        const client = await connection.opened;
        // Its container may have said GOAWAY since, or allow fewer streams.
        if (!client.canRequest) {
          this.#release(connection);
          continue;
        }
        const { stream, answer } = client.request(fields, !hasBody, (code) => onReset(new StreamReset(code)));
        answer.catch(() => {}); // `onReset` is told as well
        const dispose = () => {
          stream.reset(ErrorCode.CANCEL);
          this.#release(connection);
        };
        return { stream, answer, [Symbol.dispose]: dispose };
      } catch (error) {
        this.#release(connection);
        throw error;
      }
    }
  }

  #reserve(port: number): Connection {
    const all = this.#connections.get(port) ?? new Set<Connection>();
    this.#connections.set(port, all);
    let connection = [...all].find(({ client, streams }) =>
      streams < STREAMS_PER_CONNECTION && (client?.canRequest ?? true)
    );
    if (!connection) {
      connection = open(port, (ended) => void all.delete(ended));
      all.add(connection);
    }
    connection.streams++;
    return connection;
  }

  #release(connection: Connection): void {
    connection.streams--;
    // After a GOAWAY either side may close once the last stream has ended.
    if (connection.streams === 0 && connection.client?.canRequest === false) {
      if (connection.conn) closeQuietly(connection.conn);
    }
  }

  /** Cuts all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of [...this.#connections.values()].flatMap((all) => [...all])) {
      const client = await connection.opened.catch(() => undefined);
      if (connection.conn) closeQuietly(connection.conn);
      await client?.ended;
    }
  }
}

function open(port: number, onEnd: (connection: Connection) => void): Connection {
  const connect = async () => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    connection.conn = conn;
    connection.client = new Http2Client(conn);
    void connection.client.ended.then(() => onEnd(connection));
    return connection.client;
  };
  const connection: Connection = { streams: 0, opened: connect() };
  connection.opened.catch(() => onEnd(connection));
  return connection;
}
