import type { ByteReader } from "./byte_reader.ts";
import { Http1Error, NotHttp1 } from "./errors.ts";
import { AUTHORITY, type Field, FIELD_VALUE, TOKEN } from "../../http2/mod.ts";
import { parseTarget } from "./target.ts";

/** Start line and header fields together; the same limit as for HTTP/2. */
export const MAX_HEAD_BYTES = 65_536;

export interface Http1RequestHead {
  method: string;
  /** Origin form, or `*`. */
  target: string;
  /** Of the target where that says it, else the one `host` field; empty for an HTTP/1.0 request without. */
  authority: string;
  /** HTTP/1.0 knows neither chunks nor 100. */
  minorVersion: 0 | 1;
  /** Without `host`. */
  fields: Field[];
}

export interface Http1ResponseHead {
  status: number;
  reason: string;
  fields: Field[];
}

/** Null when the client ended without a request. @throws {NotHttp1} for a first line that is no request line; {Http1Error} */
export async function readRequestHead(reader: ByteReader): Promise<Http1RequestHead | null> {
  const line = await reader.line(MAX_HEAD_BYTES);
  if (line === null) return null;
  const [, method, target, minor] = /^([!-~]+) ([!-~\x80-\xff]+) HTTP\/1\.([01])$/.exec(line) ?? [];
  if (!method || !target || !TOKEN.test(method)) throw new NotHttp1();
  const minorVersion = minor === "0" ? 0 : 1;
  const all = await readFields(reader, MAX_HEAD_BYTES - line.length);
  if (method === "CONNECT") throw new Http1Error(405, "no proxy: CONNECT is not served");
  const { path, authority } = parseTarget(method, target);
  // None or two of them, and two servers think of two sites (RFC 9112 section 3.2).
  const hosts = all.filter(([name]) => name === "host").map(([, value]) => value);
  if (hosts.length > 1 || (hosts.length === 0 && minorVersion === 1) || !AUTHORITY.test(hosts[0] ?? "")) {
    throw new Http1Error(400, "one host field is needed");
  }
  const fields = all.filter(([name]) => name !== "host");
  // HTTP/1.0 has no transfer codings: a server of that time would read the chunks as the next request.
  if (minorVersion === 0 && valueOf(fields, "transfer-encoding")) throw new Http1Error(400, "chunks in HTTP/1.0");
  return { method, target: path, authority: authority ?? hosts[0] ?? "", minorVersion, fields };
}

/** @throws {Http1Error} also when the connection ends before a head. */
export async function readResponseHead(reader: ByteReader): Promise<Http1ResponseHead> {
  const line = await reader.line(MAX_HEAD_BYTES);
  const [, status, reason] = /^HTTP\/1\.[01] ([1-9]\d\d)(?: (.*))?$/.exec(line ?? "") ?? [];
  if (!status) throw new Http1Error(400, "no status line");
  return {
    status: Number(status),
    reason: reason ?? "",
    fields: await readFields(reader, MAX_HEAD_BYTES - line!.length),
  };
}

/** Header or trailer fields up to the empty line, names in lower case. @throws {Http1Error} */
export async function readFields(reader: ByteReader, maxBytes: number): Promise<Field[]> {
  const fields: Field[] = [];
  let left = maxBytes;
  for (;;) {
    const line = await reader.line(left);
    if (line === null) throw new Http1Error(400, "connection ended inside a head");
    if (line === "") return fields;
    left -= line.length + 2;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    // A name with a space, or a folded line, is how requests are smuggled (RFC 9112 sections 5.1 and 5.2).
    if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) throw new Http1Error(400, "bad header field");
    fields.push([name.toLowerCase(), value]);
  }
}

/** A head as bytes, one byte a character. */
export function headBytes(startLine: string, fields: readonly Field[]): Uint8Array {
  const text = `${startLine}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The value of a field that may come once; several are joined as a list. */
export function valueOf(fields: readonly Field[], name: string): string | undefined {
  const values = fields.filter(([other]) => other === name).map(([, value]) => value);
  return values.length > 0 ? values.join(", ") : undefined;
}
