/** A Cloud Run front end whose HTTP/2 the test has in its hands frame by frame; behind it a tunnel's end. */
import { abort } from "../../lib/base/tcp_abort.ts";
import {
  type ByteConn,
  closeQuietly,
  ErrorCode,
  type Field,
  frame,
  FrameType,
  Http2Client,
  Http2Connection,
  type Http2Stream,
  PREFACE,
  type RequestHead,
  ServerRole,
  StreamReset,
} from "../../lib/http2/mod.ts";
import { type CertificateAuthority, createAuthority } from "../emulators/certificates.ts";

/** One request that came, with all that the gate said in it. */
export interface SeenRequest {
  method: string;
  path: string;
  authority: string;
  /** Without `Bearer `. */
  token: string | undefined;
  /** Counted from 0. */
  connection: number;
}

/** What to do with a request: pass it on, answer a status, reset the stream with a code, or nothing until it is cancelled. */
export type Verdict = "pass" | { status: number } | { reset: number } | { hold: () => void };

const FIRST_LIMIT = 100;
const SETTING_MAX_CONCURRENT_STREAMS = 3;

export class GateFrontEnd implements AsyncDisposable {
  readonly authority: CertificateAuthority = createAuthority("front end");
  readonly port: number;
  readonly requests: SeenRequest[] = [];
  readonly connections: FrontEndConnection[] = [];
  /** Streams a connection may have at once; a change is told to the connections that are open. */
  maxStreams = FIRST_LIMIT;
  verdict: (request: SeenRequest) => Verdict = () => "pass";
  readonly #listener: Deno.TlsListener;
  readonly #upstreamPort: number;

  /** @param upstreamPort h2c of the tunnel's end */
  constructor(upstreamPort: number, port = 0) {
    this.#upstreamPort = upstreamPort;
    const leaf = this.authority.issue({ commonName: "localhost", subjectAltNames: ["localhost", "127.0.0.1"] });
    this.#listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port,
      cert: leaf.certificatePem,
      key: leaf.privateKeyPem,
      alpnProtocols: ["h2"],
    });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    void this.#accept();
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  get openConnections(): number {
    return this.connections.filter(({ isOpen }) => isOpen).length;
  }

  limitStreams(count: number): void {
    this.maxStreams = count;
    for (const connection of this.connections) connection.say(limitFrame(count));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeQuietly(this.#listener);
    await Promise.all(this.connections.map((connection) => connection.close()));
  }

  async #accept(): Promise<void> {
    for (;;) {
      const conn = await this.#listener.accept().catch((error) => error as Error);
      if (conn instanceof Deno.errors.BadResource || conn instanceof Deno.errors.Interrupted) return;
      if (conn instanceof Error) continue;
      const index = this.connections.length;
      const upstream = Deno.connect({ hostname: "127.0.0.1", port: this.#upstreamPort });
      const connection = new FrontEndConnection(conn, upstream, (head) => {
        const token = head.fields.find(([name]) => name === "authorization")?.[1].replace(/^Bearer /, "");
        const { method, path, authority } = head;
        const seen = { method, path, authority, token, connection: index };
        this.requests.push(seen);
        return this.verdict(seen);
      });
      this.connections.push(connection);
      connection.say(limitFrame(this.maxStreams));
    }
  }
}

/** `SETTINGS_MAX_CONCURRENT_STREAMS` alone. */
function limitFrame(count: number): Uint8Array {
  const payload = new Uint8Array(6);
  new DataView(payload.buffer).setUint16(0, SETTING_MAX_CONCURRENT_STREAMS);
  new DataView(payload.buffer).setUint32(2, count);
  return frame(FrameType.SETTINGS, 0, 0, payload);
}

/** One connection of the gate. */
export class FrontEndConnection {
  isOpen = true;
  /** Tunnels open now, and the most there ever were. */
  streams = 0;
  mostStreams = 0;
  readonly #conn: Interjecting;
  readonly #connection: Http2Connection;
  readonly #upstream: Promise<Http2Client>;
  readonly #ended: Promise<void>;

  constructor(conn: Deno.TlsConn, upstream: Promise<Deno.TcpConn>, judge: (head: RequestHead) => Verdict) {
    this.#conn = new Interjecting(conn);
    this.#upstream = upstream.then((tcp) => new Http2Client(tcp));
    const role = new ServerRole(async (stream, head) => {
      const verdict = judge(head);
      this.mostStreams = Math.max(this.mostStreams, ++this.streams);
      try {
        if (verdict === "pass") await relay(stream, head, await this.#upstream);
        else if ("hold" in verdict) {
          await new Promise<void>((resolve) => stream.onReset = () => resolve(verdict.hold()));
        } else if ("reset" in verdict) stream.reset(verdict.reset);
        else stream.sendHeaders([[":status", String(verdict.status)]], true);
      } finally {
        this.streams--;
      }
    });
    this.#connection = new Http2Connection(this.#conn, role);
    this.#ended = this.#run(conn);
  }

  async #run(conn: Deno.TlsConn): Promise<void> {
    const preface = new Uint8Array(PREFACE.length);
    for (let at = 0; at < preface.length;) {
      const count = await conn.read(preface.subarray(at)).catch(() => null);
      if (count === null) break;
      at += count;
    }
    await this.#connection.run();
    this.isOpen = false;
    await (await this.#upstream).close();
  }

  /** Sends a frame of the test's own between the others. */
  say(bytes: Uint8Array): void {
    void this.#conn.interject(bytes).catch(() => {});
  }

  /** From now on it is as if the machine were gone: nothing is read, nothing said. */
  vanish(): void {
    this.#conn.vanished = true;
  }

  /** GOAWAY: streams above `lastStreamId` were not processed. */
  goAway(lastStreamId: number): void {
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setUint32(0, lastStreamId);
    this.say(frame(FrameType.GOAWAY, 0, 0, payload));
  }

  /** A RST of the whole connection. */
  cut(): void {
    abort(this.#conn.tls);
  }

  async close(): Promise<void> {
    await this.#connection.close();
    await this.#ended;
  }
}

/** Both directions of one request, resets with their codes. */
async function relay(stream: Http2Stream, head: RequestHead, upstream: Http2Client): Promise<void> {
  const fields: Field[] = [[":method", head.method], [":scheme", "http"], [":path", head.path], [":authority", "app"]];
  const { stream: far, answer } = upstream.request(fields, false, (code) => stream.reset(code));
  stream.onReset = (code) => far.reset(code);
  if (stream.isReset) return far.reset(ErrorCode.CANCEL);
  const sent = copy(stream, far);
  sent.catch(() => {});
  try {
    const { status } = await answer;
    stream.sendHeaders([[":status", String(status)]]);
    await copy(far, stream);
    await sent;
  } catch (error) {
    if (!(error instanceof StreamReset)) throw error;
    stream.reset(error.code); // NO_ERROR after a whole answer: no more of the request is wanted
    far.reset(error.code);
  }
}

async function copy(from: Http2Stream, to: Http2Stream): Promise<void> {
  for (let bytes = await from.read(); bytes; bytes = await from.read()) {
    const count = bytes.length;
    await to.write(bytes);
    from.taken(count);
  }
  to.end();
}

const FRAME_HEAD_BYTES = 9;

/** A connection into which whole frames can be put where one of its own ends. */
class Interjecting implements ByteConn {
  readonly tls: Deno.TlsConn;
  /** Of the frame that is being written; its head while `#headBytes` are not all there. */
  #leftBytes = 0;
  readonly #head = new Uint8Array(FRAME_HEAD_BYTES);
  #headBytes = 0;
  vanished = false;
  /** Our own settings come in place of the connection's, which is its first frame. */
  #begun = false;
  #waiting: Uint8Array[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(conn: Deno.TlsConn) {
    this.tls = conn;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const count = await this.tls.read(into);
    if (!this.vanished || count === null) return count;
    while (await this.tls.read(into).catch(() => null) !== null);
    return null;
  }

  write(bytes: Uint8Array): Promise<number> {
    const writing = this.#last.then(async () => {
      for (let at = 0; at < bytes.length;) {
        const end = this.#frameEnd(bytes, at);
        if (this.#begun) await this.#all(bytes.subarray(at, end));
        at = end;
        if (this.#leftBytes > 0 || this.#headBytes > 0) continue;
        this.#begun = true;
        await this.#flush();
      }
      return bytes.length;
    });
    this.#last = writing.catch(() => {});
    return writing;
  }

  interject(bytes: Uint8Array): Promise<void> {
    this.#waiting.push(bytes);
    const writing = this.#last.then(async () => {
      if (this.#begun && this.#leftBytes === 0 && this.#headBytes === 0) await this.#flush();
    });
    this.#last = writing.catch(() => {});
    return writing;
  }

  closeWrite(): Promise<void> {
    return this.tls.closeWrite();
  }

  close(): void {
    this.tls.close();
  }

  /** Where the frame that `at` is in ends, or the bytes do. */
  #frameEnd(bytes: Uint8Array, at: number): number {
    if (this.#leftBytes === 0) {
      while (this.#headBytes < FRAME_HEAD_BYTES && at < bytes.length) this.#head[this.#headBytes++] = bytes[at++]!;
      if (this.#headBytes < FRAME_HEAD_BYTES) return at;
      this.#leftBytes = this.#head[0]! << 16 | this.#head[1]! << 8 | this.#head[2]!;
      this.#headBytes = 0;
    }
    const part = Math.min(this.#leftBytes, bytes.length - at);
    this.#leftBytes -= part;
    return at + part;
  }

  async #flush(): Promise<void> {
    for (const bytes of this.#waiting.splice(0)) await this.#all(bytes);
  }

  async #all(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.tls.write(bytes.subarray(sent));
  }
}
