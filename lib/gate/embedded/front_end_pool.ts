import { type ClientAnswer, ErrorCode, type Field, Http2Client, type Http2Stream } from "../../http2/mod.ts";
import { dial, type FrontEnd, within } from "./dial.ts";

/** Cloud Run allows as many on a connection; what another front end allows beyond is better spread over several. */
const STREAMS_PER_CONNECTION = 100;

/** A request on a pooled connection; {@link release} it when its stream has ended. */
export interface PooledRequest {
  stream: Http2Stream;
  /** @throws {StreamReset} */
  answer: Promise<ClientAnswer>;
  /** True when the whole connection was lost, not this stream alone. */
  lost(): boolean;
  release(): void;
}

interface Connection {
  /** Undefined until it is open. */
  client?: Http2Client;
  opened: Promise<Http2Client>;
  /** Streams, and requests that wait for the connection. */
  reserved: number;
  idleTimer?: ReturnType<typeof setTimeout> | undefined;
}

/** See `GateLimits`. */
export interface PoolTimes {
  idleMs: number;
  keepAliveMs: number;
}

/** HTTP/2 connections to one front end: as many as its streams need, the oldest filled first so that the others can be closed. */
export class FrontEndPool {
  readonly #frontEnd: FrontEnd;
  readonly #times: PoolTimes;
  readonly #connections = new Set<Connection>();
  /** What the front end last said that it allows on a connection. */
  #streamsAllowed = STREAMS_PER_CONNECTION;
  #closed = false;

  constructor(frontEnd: FrontEnd, times: PoolTimes) {
    this.#frontEnd = frontEnd;
    this.#times = times;
  }

  get size(): number {
    let open = 0;
    for (const { client } of this.#connections) if (client) open++;
    return open;
  }

  /**
   * Opens a stream.
   * @param onReset is told when the front end or its connection resets it
   * @throws the runtime's error when no connection can be had within `connectTimeoutMs`
   */
  async request(
    fields: readonly Field[],
    connectTimeoutMs: number,
    onReset: (code: number) => void,
  ): Promise<PooledRequest> {
    for (;;) {
      const connection = this.#reserve(connectTimeoutMs);
      const release = once(() => this.#release(connection));
      try {
        const client = await connection.opened;
        // The front end may have lowered its limit or said GOAWAY since.
        if (!client.canRequest) {
          release();
          if (client.maxStreams === 0) throw new Error("the front end allows no requests");
          continue;
        }
        const { stream, answer } = client.request(fields, false, onReset);
        answer.catch(() => {}); // `onReset` is told as well
        return { stream, answer, lost: () => client.isClosed, release };
      } catch (error) {
        release();
        throw error;
      }
    }
  }

  /** Ends every connection and, with it, every stream. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#connections].map(async (connection) => {
      clearTimeout(connection.idleTimer);
      await (await connection.opened.catch(() => undefined))?.close();
    }));
  }

  #reserve(connectTimeoutMs: number): Connection {
    let chosen: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection.reserved >= this.#streamsAllowed || connection.client?.canRequest === false) continue;
      chosen = connection;
      break;
    }
    chosen ??= this.#open(connectTimeoutMs);
    chosen.reserved++;
    clearTimeout(chosen.idleTimer);
    chosen.idleTimer = undefined;
    return chosen;
  }

  #release(connection: Connection): void {
    connection.reserved--;
    if (connection.reserved > 0 || !connection.client || connection.client.isClosed) return;
    const close = () => void connection.client?.close();
    // After GOAWAY either side may close once the last stream has ended.
    if (connection.client.goesAway) close();
    else connection.idleTimer = setTimeout(close, this.#times.idleMs);
  }

  #open(connectTimeoutMs: number): Connection {
    const connection: Connection = { reserved: 0, opened: this.#connect(connectTimeoutMs) };
    this.#connections.add(connection);
    connection.opened.then(async (client) => {
      connection.client = client;
      const keepAlive = setInterval(() => void this.#askForLife(connection), this.#times.keepAliveMs);
      await client.ended;
      clearInterval(keepAlive);
      clearTimeout(connection.idleTimer);
    }).catch(() => {}).then(() => this.#connections.delete(connection));
    return connection;
  }

  /** TCP alone would keep tunnels of a front end that vanished for a quarter of an hour. */
  async #askForLife({ client, reserved }: Connection): Promise<void> {
    if (client && reserved > 0 && !await client.ping(this.#times.keepAliveMs)) await client.close();
  }

  async #connect(timeoutMs: number): Promise<Http2Client> {
    if (this.#closed) throw new Error("the gate is closing");
    const endMs = performance.now() + timeoutMs;
    const client = new Http2Client(await dial(this.#frontEnd, timeoutMs));
    try {
      await within(client.settled, endMs - performance.now());
      if (client.isClosed || this.#closed) throw new Error("closed at once");
    } catch (error) {
      await client.close();
      throw error;
    }
    // A limit of none is not taken over: the next connection may be to a front end that is well.
    this.#streamsAllowed = Math.min(STREAMS_PER_CONNECTION, client.maxStreams || STREAMS_PER_CONNECTION);
    return client;
  }
}

/** True for a request that the front end says it has not processed (RFC 9113 section 8.7): it may be sent again. */
export function isUnprocessed(code: number): boolean {
  return code === ErrorCode.REFUSED_STREAM;
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (!done) run();
    done = true;
  };
}
