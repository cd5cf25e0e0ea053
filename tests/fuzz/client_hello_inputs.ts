/** ClientHellos and what is nearly one, for the reader; each comes in pieces as a network may cut it. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { ClientHelloReader, type HelloState, MOST_HELLO_BYTES } from "../../lib/gate/client_hello.ts";
import { helloMessage, type HelloParts, records } from "../integration/gate_hello.ts";

/** Types that are never assigned, so that servers do not stumble over new ones (RFC 8701). */
const GREASE = Array.from({ length: 16 }, (_, i) => i << 12 | 0xa0a | i << 4);
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;
const SESSION_TICKET = 35;

const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
const serverName = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join("."));
const extension = fc.record({
  type: fc.constantFrom(...GREASE, ENCRYPTED_CLIENT_HELLO, SESSION_TICKET, 21, 0x1234),
  content: fc.uint8Array({ maxLength: 300 }),
});

const parts: fc.Arbitrary<HelloParts> = fc.record({
  serverName,
  alpn: fc.array(fc.stringMatching(/^[!-~]{1,12}$/), { minLength: 1, maxLength: 5 }),
  extensions: fc.uniqueArray(extension, { selector: ({ type }) => type, maxLength: 8 }),
}, { requiredKeys: [] });

/** Bytes and where they are cut. */
export interface Input {
  bytes: Uint8Array;
  /** Shares of the length. */
  cuts: readonly number[];
}

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });

export interface HonestInput extends Input {
  parts: HelloParts;
}

/** Complete ClientHellos, in one record or several, with or without more bytes after them. */
export const honestInputs: fc.Arbitrary<HonestInput> = fc.record({
  parts,
  recordBytes: fc.oneof(fc.constant(16_384), fc.integer({ min: 1, max: 400 })),
  after: fc.uint8Array({ maxLength: 40 }),
  cuts,
}).map(({ parts, recordBytes, after, cuts }) => ({
  parts,
  cuts,
  bytes: Uint8Array.from([...records(helloMessage(parts), recordBytes), ...after]),
}));

type Mutation = (bytes: number[], at: number, value: number) => void;
const MUTATIONS: readonly Mutation[] = [
  (bytes, at, value) => void (bytes[at] = value),
  (bytes, at) => void (bytes[at] = bytes[at]! ^ 1 << at % 8),
  (bytes, at, value) => void bytes.splice(at, 0, value),
  (bytes, at) => void bytes.splice(at, 1),
  (bytes, at) => void (bytes.length = at),
  (bytes, at, value) => void bytes.splice(at, value),
  (bytes, at, value) => void bytes.splice(at, 0, ...bytes.slice(at, at + value)),
  (bytes, at) => void (bytes[at] = 255),
  (bytes, at) => void (bytes[at] = 0),
];

const mutation = fc.record({
  kind: fc.nat(MUTATIONS.length - 1),
  at: fc.double({ min: 0, max: 0.999, noNaN: true }),
  value: fc.nat(255),
});

/** ClientHellos with a few bytes wrong, and bytes that never were one. */
export const hostileInputs: fc.Arbitrary<Input> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(honestInputs, fc.array(mutation, { minLength: 1, maxLength: 5 })).map(mutated) },
  { weight: 1, arbitrary: fc.record({ bytes: fc.uint8Array({ maxLength: 600 }), cuts }) },
  {
    weight: 1,
    arbitrary: fc.record({ bytes: fc.uint8Array({ maxLength: 600 }).map((bytes) => records(bytes, 100)), cuts }),
  },
);

function mutated([input, mutations]: [HonestInput, { kind: number; at: number; value: number }[]]): Input {
  const bytes = [...input.bytes];
  for (const { kind, at, value } of mutations) MUTATIONS[kind]!(bytes, Math.floor(at * bytes.length), value);
  return { bytes: Uint8Array.from(bytes), cuts: input.cuts };
}

/** What the reader makes of the bytes when they come in these pieces, and that it keeps the rules whatever they are. */
export function readInPieces({ bytes, cuts }: Input): HelloState {
  const reader = new ClientHelloReader();
  const ends = [...cuts.map((cut) => Math.floor(cut * bytes.length)), bytes.length].sort((a, b) => a - b);
  let state: HelloState = { kind: "more" };
  let at = 0;
  for (const end of ends) {
    state = reader.take(bytes.subarray(at, end));
    at = end;
    if (state.kind !== "more") break;
  }
  assert.deepEqual(reader.bytes, bytes.slice(0, at), "everything taken is kept");
  if (state.kind === "more") assert.ok(at < MOST_HELLO_BYTES, "waits for more than there may be");
  if (state.kind === "hello" && state.serverName !== undefined) assert.match(state.serverName, /^[a-z0-9_.-]{1,400}$/);
  return state;
}

/** The reader says the same however the bytes are cut, but for what comes after the first that settles it. */
export function checkHostile(input: Input): void {
  assert.deepEqual(readInPieces(input), readInPieces({ bytes: input.bytes, cuts: [] }));
}

export function checkHonest(input: HonestInput): void {
  const { serverName, alpn = [] } = input.parts;
  assert.deepEqual(readInPieces(input), { kind: "hello", serverName: serverName?.toLowerCase(), alpn });
}
