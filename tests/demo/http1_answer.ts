import { Buffer } from "node:buffer";

/** Status line and body of an HTTP/1.1 answer, the body taken out of its chunks. */
export function parseAnswer(answer: Uint8Array): { statusLine: string; body: Uint8Array } {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.length);
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) throw new Error(`no HTTP/1.1 answer but ${bytes.length} bytes`);
  const head = bytes.toString("latin1", 0, headEnd);
  const statusLine = head.split("\r\n", 1)[0]!;
  const rest = bytes.subarray(headEnd + 4);
  return { statusLine, body: /transfer-encoding: chunked/i.test(head) ? unchunk(rest) : rest };
}

function unchunk(bytes: Buffer): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const sizeBytes = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (lineEnd < 0 || !sizeBytes) return Buffer.concat(parts);
    at = lineEnd + 2 + sizeBytes + 2;
    parts.push(bytes.subarray(lineEnd + 2, at - 2));
  }
}
