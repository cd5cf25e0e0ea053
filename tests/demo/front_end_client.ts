import { createHash, randomBytes } from "node:crypto";
import { closeQuietly, type Field, Http2Client } from "../../lib/http2/mod.ts";

/** What is asked of the front end. */
export interface FrontEndRequest {
  /** @default "GET" */
  method?: string;
  path: string;
  idToken?: string;
  headers?: Record<string, string>;
  /** @default nothing */
  body?: Uint8Array | string;
  /** Our side ends after the other: servers of HTTP/1.1 take a client's half-close for its going away. @default false */
  staysOpen?: boolean;
}

/** A client of Cloud Run's front end, as the gate is one: HTTP/2 over TLS with an ID token. */
export class FrontEndClient implements AsyncDisposable {
  private constructor(
    private readonly host: string,
    private readonly conn: Deno.TlsConn,
    private readonly http: Http2Client,
  ) {}

  /** Connects to `port` of this machine as if it were `host`, whose certificate `ca` signed. */
  static async connect(port: number, host: string, ca: string): Promise<FrontEndClient> {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
    tcp.setNoDelay(true);
    const tls = await Deno.startTls(tcp, { hostname: host, caCerts: [ca], alpnProtocols: ["h2"] });
    return new FrontEndClient(host, tls, new Http2Client(tls));
  }

  /** A request; `body` goes as it is, the answer comes back whole. @throws {StreamReset} */
  async ask(request: FrontEndRequest): Promise<{ status: number; body: Uint8Array }> {
    const { method = "GET", path, idToken, headers = {}, body, staysOpen = false } = request;
    const fields: Field[] = [
      [":method", method],
      [":scheme", "https"],
      [":path", path],
      [":authority", this.host],
      ...(idToken ? [["authorization", `Bearer ${idToken}`] as const] : []),
      ...Object.entries(headers),
    ];
    const { stream, answer } = this.http.request(fields, body === undefined, () => {});
    const upload = async () => {
      if (body === undefined) return;
      await stream.write(typeof body === "string" ? new TextEncoder().encode(body) : body);
      if (!staysOpen) stream.end();
    };
    const download = async () => {
      const { status } = await answer;
      const parts: Uint8Array<ArrayBuffer>[] = [];
      for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
        const count = bytes.length;
        parts.push(bytes.slice());
        stream.taken(count);
      }
      if (staysOpen) stream.end();
      return { status, body: new Uint8Array(await new Blob(parts).arrayBuffer()) };
    };
    const [received] = await Promise.all([download(), upload()]);
    return received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeQuietly(this.conn);
    await this.http.ended;
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function randomData(sizeBytes: number): Uint8Array {
  return randomBytes(sizeBytes);
}
