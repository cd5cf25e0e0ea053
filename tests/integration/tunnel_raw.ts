/** An HTTP/2 client of single frames, for what no proper client sends. */
import { encodeFields, Flag, frame, FrameReader, FrameType, PREFACE, readUint32 } from "../../lib/http2/mod.ts";
import { close, until, writeAll } from "./tunnel_peers.ts";

export interface SeenFrame {
  type: number;
  flags: number;
  streamId: number;
  payload: Uint8Array;
}

export class RawHttp2 implements AsyncDisposable {
  readonly frames: SeenFrame[] = [];
  /** True once the end closed the connection. */
  ended = false;
  readonly #conn: Deno.TcpConn;
  readonly #reading: Promise<void>;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.#reading = new FrameReader(conn, new Uint8Array()).run(({ type, flags, streamId }, payload) => {
      this.frames.push({ type, flags, streamId, payload: payload.slice() });
    }).catch(() => {}).then(() => void (this.ended = true));
  }

  static async connect(port: number): Promise<RawHttp2> {
    const client = new RawHttp2(await Deno.connect({ hostname: "127.0.0.1", port }));
    await client.send(PREFACE, frame(FrameType.SETTINGS, 0, 0, new Uint8Array()));
    return client;
  }

  async send(...frames: Uint8Array[]): Promise<void> {
    for (const bytes of frames) await writeAll(this.#conn, bytes);
  }

  headers(streamId: number, path: string, flags: number = Flag.END_HEADERS | Flag.END_STREAM): Promise<void> {
    const fields = [[":method", "POST"], [":scheme", "http"], [":path", path], [":authority", "a"]] as const;
    return this.send(frame(FrameType.HEADERS, flags, streamId, encodeFields(fields)));
  }

  of(type: number): SeenFrame[] {
    return this.frames.filter((one) => one.type === type);
  }

  async untilSeen(type: number, count = 1): Promise<SeenFrame> {
    await until(() => this.of(type).length >= count, `frame ${count} of type ${type}`);
    return this.of(type)[count - 1]!;
  }

  async untilEnded(): Promise<void> {
    await until(() => this.ended, "the connection's end");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    close(this.#conn);
    await this.#reading;
  }
}

/** The two numbers of GOAWAY. */
export function goAway({ payload }: SeenFrame): { lastStreamId: number; code: number } {
  return { lastStreamId: readUint32(payload, 0), code: readUint32(payload, 4) };
}
