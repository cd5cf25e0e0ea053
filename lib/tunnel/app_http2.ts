import { ErrorCode, type Field, Http2Client, type Http2Stream, type RequestHead } from "../http2/mod.ts";
import { connectLoopback } from "./loopback.ts";
import {
  answerTrailers,
  forwardedRequestFields,
  forwardedRequestTrailers,
  withoutHopByHop,
} from "./request_headers.ts";

/** gRPC is HTTP/2 end to end: its status travels in trailers, its calls stream both ways. */
export function isGrpc(head: RequestHead): boolean {
  return head.fields.some(([name, value]) => name === "content-type" && value.startsWith("application/grpc"));
}

/** Connections to the app as h2c with prior knowledge; another is opened when all have as many streams as the app allows. */
export class AppHttp2 {
  readonly #port: number;
  readonly #clients = new Set<Http2Client>();

  constructor(port: number) {
    this.#port = port;
  }

  /** Forwards a request with its trailers, and the answer with its. @throws the runtime's error when the app cannot be reached. */
  async forward(stream: Http2Stream, head: RequestHead, hasBody: boolean): Promise<void> {
    const client = await this.#client();
    const { stream: app, answer } = client.request(requestFields(head), !hasBody, (code) => stream.reset(code));
    stream.onReset = () => app.reset(ErrorCode.CANCEL);
    if (stream.isReset) app.reset(ErrorCode.CANCEL);
    const upload = hasBody ? carryStream(stream, app, forwardedRequestTrailers) : undefined;
    // The upload fails with the streams, which tell each other of resets.
    upload?.catch(() => {});
    try {
      const { status, fields, endStream } = await answer;
      stream.sendHeaders([[":status", String(status)], ...withoutHopByHop(fields)], endStream);
      if (!endStream) await carryStream(app, stream, answerTrailers);
      // A complete answer may come before the request's end; what is still on its way then has no taker.
      if (hasBody && !stream.receiveEnded) {
        app.reset(ErrorCode.NO_ERROR);
        stream.reset(ErrorCode.NO_ERROR);
      }
      await upload;
    } finally {
      stream.onReset = undefined;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.close()));
  }

  async #client(): Promise<Http2Client> {
    for (const client of this.#clients) if (client.canRequest) return client;
    const client = new Http2Client(await connectLoopback(this.#port));
    this.#clients.add(client);
    void client.ended.then(() => this.#clients.delete(client));
    return client;
  }
}

async function carryStream(
  from: Http2Stream,
  to: Http2Stream,
  trailers: (fields: readonly Field[]) => Field[],
): Promise<void> {
  for (let bytes = await from.read(); bytes; bytes = await from.read()) {
    const count = bytes.length;
    await to.write(bytes);
    from.taken(count);
  }
  to.end(trailers(from.trailers));
}

function requestFields(head: RequestHead): Field[] {
  const pseudo: Field[] = [[":method", head.method], [":scheme", "http"], [":path", head.path], [
    ":authority",
    head.authority,
  ]];
  const length: Field[] = head.contentBytes === undefined ? [] : [["content-length", String(head.contentBytes)]];
  return [...pseudo, ...forwardedRequestFields(head.fields), ...length, ["te", "trailers"]];
}
