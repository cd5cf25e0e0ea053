import { AUTHORITY, FIELD_VALUE, ORIGIN_FORM, TOKEN } from "./grammar.ts";
import { ErrorCode, StreamError } from "./errors.ts";
import type { Field } from "./static_table.ts";

/** A request's head, checked by RFC 9113 section 8. */
export interface RequestHead {
  method: string;
  /** Path with query. */
  path: string;
  /** `:authority`, or the `host` field where that is missing. */
  authority: string;
  /** Without pseudo fields and without `host`. */
  fields: Field[];
  /** `content-length`, where the request says it. */
  contentBytes: number | undefined;
}

/** A response's head. */
export interface ResponseHead {
  status: number;
  fields: Field[];
}

/** RFC 9110 tokens in lower case; HTTP/2 knows no other field names. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Spaces around a value would be lost in HTTP/1.1. */
const OUTER_SPACE = /^[ \t]|[ \t]$/;

/** Fields that belong to one HTTP/1.1 connection and have no place in HTTP/2 (RFC 9113 section 8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);

/** @throws {StreamError} PROTOCOL_ERROR for a malformed request. */
export function requestHead(list: readonly Field[]): RequestHead {
  const { pseudo, fields } = split(list, [":method", ":scheme", ":path", ":authority"]);
  const method = pseudo.get(":method");
  const path = pseudo.get(":path");
  // These become a request line and a host field of HTTP/1.1: what splits those must not come through.
  if (!method || !TOKEN.test(method)) throw malformed("no :method");
  if (method !== "CONNECT" && (!path || !pseudo.get(":scheme"))) throw malformed("no :path or :scheme");
  if (path && !ORIGIN_FORM.test(path) && !(path === "*" && method === "OPTIONS")) throw malformed("bad :path");
  const hosts = fields.filter(([name]) => name === "host").map(([, value]) => value);
  const authority = pseudo.get(":authority") ?? hosts[0] ?? "";
  if (hosts.length > 1 || !AUTHORITY.test(authority)) throw malformed("bad :authority or host");
  return {
    method,
    path: path ?? "",
    authority,
    fields: fields.filter(([name]) => name !== "host"),
    contentBytes: contentLength(fields),
  };
}

/** @throws {StreamError} PROTOCOL_ERROR for a malformed response. */
export function responseHead(list: readonly Field[]): ResponseHead {
  const { pseudo, fields } = split(list, [":status"]);
  const status = pseudo.get(":status") ?? "";
  if (!/^[1-9]\d\d$/.test(status)) throw malformed("no :status");
  return { status: Number(status), fields };
}

/** @throws {StreamError} PROTOCOL_ERROR for trailers with pseudo or otherwise malformed fields. */
export function trailerFields(list: readonly Field[]): Field[] {
  return split(list, []).fields;
}

function split(list: readonly Field[], allowed: readonly string[]): { pseudo: Map<string, string>; fields: Field[] } {
  const pseudo = new Map<string, string>();
  const fields: Field[] = [];
  for (const [name, value] of list) {
    if (!FIELD_VALUE.test(value) || OUTER_SPACE.test(value)) throw malformed(`bad value of ${name}`);
    if (name.startsWith(":")) {
      if (fields.length > 0 || pseudo.has(name) || !allowed.includes(name)) throw malformed(`unexpected ${name}`);
      pseudo.set(name, value);
      continue;
    }
    if (!NAME.test(name) || CONNECTION_FIELDS.has(name)) throw malformed("bad field name");
    if (name === "te" && value !== "trailers") throw malformed("te other than trailers");
    fields.push([name, value]);
  }
  return { pseudo, fields };
}

function contentLength(fields: readonly Field[]): number | undefined {
  const values = fields.filter(([name]) => name === "content-length").map(([, value]) => value);
  if (values.length === 0) return undefined;
  if (values.length > 1 || !/^\d{1,15}$/.test(values[0]!)) throw malformed("bad content-length");
  return Number(values[0]);
}

function malformed(message: string): StreamError {
  return new StreamError(ErrorCode.PROTOCOL_ERROR, message);
}
