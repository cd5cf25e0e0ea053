import type { Field } from "../../http2/mod.ts";
import type { ByteReader } from "./byte_reader.ts";
import { Http1Error } from "./errors.ts";
import { MAX_HEAD_BYTES, readFields, valueOf } from "./head.ts";

/** How a message's end is found (RFC 9112 section 6). */
export type Framing = { kind: "none" } | { kind: "length"; bytes: number } | { kind: "chunked" } | {
  kind: "until close";
};

/** A body, piece by piece; a piece is valid until the next is asked for. */
export interface Body {
  pieces: AsyncIterable<Uint8Array>;
  /** Complete when `pieces` has ended. */
  trailers(): readonly Field[];
}

/** @throws {Http1Error} for anything that two servers could read differently (request smuggling). */
export function requestFraming(fields: readonly Field[]): Framing {
  return declared(fields) ?? { kind: "none" };
}

/** @throws {Http1Error} as {@link requestFraming}. */
export function responseFraming(method: string, status: number, fields: readonly Field[]): Framing {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { kind: "none" };
  return declared(fields) ?? { kind: "until close" };
}

/** The fields that say `framing`; what the message's sender wrote about it is replaced by these. */
export function framingFields(framing: Framing): Field[] {
  if (framing.kind === "chunked") return [["transfer-encoding", "chunked"]];
  return framing.kind === "length" ? [["content-length", String(framing.bytes)]] : [];
}

/** The body that follows a head. A body that ends too early makes `pieces` throw {@link Http1Error}. */
export function readBody(reader: ByteReader, framing: Framing): Body {
  const trailers: Field[] = [];
  return { pieces: piecesOf(reader, framing, trailers), trailers: () => trailers };
}

function declared(fields: readonly Field[]): Framing | undefined {
  const coding = valueOf(fields, "transfer-encoding");
  const length = valueOf(fields, "content-length");
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked" || length !== undefined) {
      throw new Http1Error(400, "unclear length of the body");
    }
    return { kind: "chunked" };
  }
  if (length === undefined) return undefined;
  if (!/^\d{1,15}$/.test(length)) throw new Http1Error(400, "bad content-length");
  return { kind: "length", bytes: Number(length) };
}

function piecesOf(reader: ByteReader, framing: Framing, trailers: Field[]): AsyncIterable<Uint8Array> {
  switch (framing.kind) {
    case "none":
      return ofLength(reader, 0);
    case "length":
      return ofLength(reader, framing.bytes);
    case "chunked":
      return ofChunks(reader, trailers);
    case "until close":
      return untilClose(reader);
  }
}

async function* untilClose(reader: ByteReader): AsyncGenerator<Uint8Array> {
  for (let piece = await reader.some(); piece; piece = await reader.some()) yield piece;
}

async function* ofLength(reader: ByteReader, bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0;) {
    const piece = await reader.some(left);
    if (!piece) throw new Http1Error(400, "body ended early");
    left -= piece.length;
    yield piece;
  }
}

async function* ofChunks(reader: ByteReader, trailers: Field[]): AsyncGenerator<Uint8Array> {
  for (;;) {
    const line = await reader.line(1_024);
    const size = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?$/.exec(line ?? "")?.[1];
    if (size === undefined) throw new Http1Error(400, "bad chunk size");
    const bytes = Number.parseInt(size, 16);
    if (bytes === 0) break;
    yield* ofLength(reader, bytes);
    if (await reader.line(2) !== "") throw new Http1Error(400, "chunk longer than it says");
  }
  trailers.push(...await readFields(reader, MAX_HEAD_BYTES));
}

/** One piece as a chunk; an empty piece would read as the last one. */
export function chunk(piece: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`${piece.length.toString(16)}\r\n`);
  const whole = new Uint8Array(head.length + piece.length + 2);
  whole.set(head);
  whole.set(piece, head.length);
  whole.set([13, 10], head.length + piece.length);
  return whole;
}
