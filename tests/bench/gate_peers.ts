/** What stands behind a gate under measurement: a front end that is the app as well, with TLS or without, or a plain TCP peer. */
import { ErrorCode, Http2Connection, type Http2Stream, PREFACE, ServerRole } from "../../lib/http2/mod.ts";
import { clientHello } from "../integration/gate_hello.ts";

export const BENCH_NAME = "outbound_.8080_._.bench.bench.svc.cluster.local";
export const BENCH_HELLO = clientHello({ serverName: BENCH_NAME, alpn: ["istio"] });

/** Bytes in both directions. */
interface Duplex {
  read(): Promise<Uint8Array | null>;
  taken(count: number): void;
  write(bytes: Uint8Array): Promise<void>;
  end(): void | Promise<void>;
}

/** Takes the ClientHello, then an order: S sends `sendBytes`, R swallows and says `done`, E echoes, H reads no more. */
async function serve(peer: Duplex, sendBytes: number): Promise<void> {
  let skip = BENCH_HELLO.length;
  let order = "";
  for (let bytes = await peer.read(); bytes; bytes = await peer.read()) {
    let body = bytes.subarray(Math.min(skip, bytes.length));
    skip -= bytes.length - body.length;
    if (order === "" && body.length > 0) {
      order = String.fromCharCode(body[0]!);
      body = body.subarray(1);
      if (order === "H") await new Promise(() => {});
      if (order === "S") void send(peer, sendBytes).catch(() => {});
    }
    if (order === "E" && body.length > 0) await peer.write(body);
    peer.taken(bytes.length);
  }
  if (order === "R") await peer.write(new TextEncoder().encode("done"));
  if (order !== "S") await peer.end();
}

async function send(peer: Duplex, sendBytes: number): Promise<void> {
  const piece = new Uint8Array(131_072);
  for (let sent = 0; sent < sendBytes; sent += piece.length) await peer.write(piece);
  await peer.end();
}

export async function serveHttp2(conn: Deno.TcpConn | Deno.TlsConn, sendBytes: number): Promise<void> {
  const preface = new Uint8Array(PREFACE.length);
  for (let at = 0; at < preface.length;) at += await conn.read(preface.subarray(at)) ?? Infinity;
  const role = new ServerRole(async (stream: Http2Stream) => {
    stream.sendHeaders([[":status", "200"]]);
    await serve(stream, sendBytes).catch(() => stream.reset(ErrorCode.CANCEL));
  });
  await new Http2Connection(conn, role).run();
}

export async function serveTcp(conn: Deno.TcpConn | Deno.TlsConn, sendBytes: number): Promise<void> {
  const buffer = new Uint8Array(1_024);
  let chunk: Uint8Array<ArrayBuffer> = buffer;
  await serve({
    async read() {
      const count = await conn.read(chunk);
      if (count === null) return null;
      const bytes = chunk.subarray(0, count);
      if (count === chunk.length) chunk = new Uint8Array(131_072); // an idle connection holds no more than it needs
      return bytes;
    },
    taken: () => {},
    async write(bytes) {
      for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
    },
    end: () => conn.closeWrite(),
  }, sendBytes);
}
