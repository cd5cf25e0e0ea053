import { createHash, randomBytes } from "node:crypto";
import { type ClientHttp2Session, connect } from "node:http2";

/** A client of Cloud Run's front end, as the gate is one: HTTP/2 over TLS with an ID token. */
export class FrontEndClient implements Disposable {
  readonly #session: ClientHttp2Session;

  constructor(port: number, private readonly host: string, ca: string) {
    this.#session = connect(`https://127.0.0.1:${port}`, { ca, servername: host });
    this.#session.on("error", () => {});
  }

  /**
   * A request; `body` goes as it is, the answer comes back whole.
   * @param request.staysOpen our side of the stream ends after the other: servers of HTTP/1.1 take a client's half-close for its going away
   */
  async ask(
    request: {
      method?: string;
      path: string;
      idToken?: string;
      headers?: Record<string, string>;
      body?: Uint8Array | string;
    },
  ): Promise<{ status: number; body: Uint8Array }> {
    const stream = this.#session.request({
      ":method": request.method ?? "GET",
      ":path": request.path,
      ":authority": this.host,
      ...(request.idToken ? { authorization: `Bearer ${request.idToken}` } : {}),
      ...request.headers,
    });
    let status = 0;
    const parts: Uint8Array[] = [];
    stream.on("response", (headers) => status = Number(headers[":status"]));
    stream.on("data", (part: Uint8Array) => parts.push(part));
    if (request.staysOpen) {
      stream.write(request.body ?? "");
      stream.on("end", () => stream.end());
    } else {
      stream.end(request.body);
    }
    await new Promise<void>((resolve, reject) => {
      stream.on("error", reject);
      stream.on("close", resolve);
    });
    return { status, body: new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()) };
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function randomData(sizeBytes: number): Uint8Array {
  return randomBytes(sizeBytes);
}
