import { createHash } from "node:crypto";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { pattern } from "./pattern.ts";

export interface TunnelTarget {
  /** `http://…:15009` or `https://…` of the front end. */
  url: string;
  ca?: string;
  /** Name in TLS and `:authority`. */
  host?: string;
  idToken?: string;
}

/** HTTP/2 to a tunnel's end, straight or through the front end. */
export async function openSession(target: TunnelTarget): Promise<ClientHttp2Session> {
  const session = connect(target.url, {
    settings: { initialWindowSize: 1 << 20 },
    ...(target.ca ? { ca: target.ca, servername: target.host ?? "" } : {}),
  });
  await new Promise<void>((resolve, reject) => {
    session.once("connect", () => resolve());
    session.once("error", reject);
  });
  session.setLocalWindowSize(4 << 20);
  session.on("error", () => {});
  return session;
}

export interface Tunnel {
  stream: ClientHttp2Stream;
  status: Promise<number>;
}

export function openTunnel(session: ClientHttp2Session, target: TunnelTarget, name: string): Tunnel {
  const stream = session.request({
    ":method": "POST",
    ":path": `/_hbone/${name}`,
    ...(target.host ? { ":authority": target.host } : {}),
    ...(target.idToken ? { authorization: `Bearer ${target.idToken}` } : {}),
  });
  stream.pause();
  const status = new Promise<number>((resolve, reject) => {
    stream.once("response", (headers) => resolve(Number(headers[":status"])));
    stream.once("error", reject);
    stream.once("close", () => reject(new Error(`stream closed with code ${stream.rstCode} before a response`)));
  });
  return { stream, status };
}

/** Lets the peer send; reads to the end. @returns `<bytes> <sha256>` and how the stream ended */
export async function download(
  tunnel: Tunnel,
  sizeBytes: number,
  options: { pauseMs?: number; closeFirst?: boolean } = {},
): Promise<{ sum: string; code: number }> {
  const { stream } = tunnel;
  stream.write(JSON.stringify({ do: "send", bytes: sizeBytes }) + "\n");
  if (options.closeFirst) stream.end(); // half-close: the answer must come whole all the same
  const hash = createHash("sha256");
  let total = 0;
  let sincePause = 0;
  return await new Promise((resolve, reject) => {
    stream.on("data", (chunk: Uint8Array) => {
      hash.update(chunk);
      total += chunk.length;
      sincePause += chunk.length;
      if (options.pauseMs && sincePause > 4 << 20) {
        sincePause = 0;
        stream.pause();
        setTimeout(() => stream.resume(), options.pauseMs);
      }
    });
    stream.on("end", () => stream.end());
    stream.on("error", reject);
    stream.on(
      "close",
      () => resolve({ sum: `${total} ${hash.digest("hex")}`, code: stream.rstCode ?? constants.NGHTTP2_NO_ERROR }),
    );
    stream.resume();
  });
}

/** Sends the pattern and closes first. @returns the peer's `<bytes> <sha256>` */
export async function upload(tunnel: Tunnel, sizeBytes: number): Promise<{ sum: string; code: number }> {
  const { stream } = tunnel;
  let answer = "";
  const done = new Promise<{ sum: string; code: number }>((resolve, reject) => {
    stream.on("data", (chunk: Uint8Array) => answer += new TextDecoder().decode(chunk));
    stream.on("error", reject);
    stream.on("close", () => resolve({ sum: answer.trim(), code: stream.rstCode ?? constants.NGHTTP2_NO_ERROR }));
    stream.resume();
  });
  stream.write(JSON.stringify({ do: "take" }) + "\n");
  for (const block of pattern(sizeBytes)) {
    if (!stream.write(block)) {
      await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), done]);
    }
  }
  stream.end();
  return await done;
}
