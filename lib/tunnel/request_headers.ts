import type { Field } from "./http2/static_table.ts";

/**
 * Request headers that the mesh's own proxies write and its apps believe. On this port no proxy of the mesh has written
 * anything yet, so whoever called put them there. A name that ends in `*` covers all that start so.
 */
export const SPOOFABLE_HEADERS: readonly (readonly [name: string, reason: string])[] = [
  ["x-forwarded-client-cert", "Envoy's statement of the client's certificate and SPIFFE identity"],
  ["client-cert", "the same in the standard's words, RFC 9440"],
  ["client-cert-chain", "the same in the standard's words, RFC 9440"],
  [
    "x-envoy-*",
    "Envoy trusts these from inside: peer metadata, internal, retries, timeouts, the original path and destination",
  ],
  ["x-istio-*", "Istio's attributes and authentication results"],
  ["x-krun-*", "this program's own, today and tomorrow"],
];

/** Headers that end with a connection (RFC 9110 section 7.6.1); `te` and `trailer` are handled by who forwards trailers. */
export const HOP_BY_HOP_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "transfer-encoding",
  "te",
  "upgrade",
  "http2-settings",
  "proxy-authenticate",
  "proxy-authorization",
]);

const EXACT: ReadonlySet<string> = new Set(
  SPOOFABLE_HEADERS.map(([name]) => name).filter((name) => !name.endsWith("*")),
);
const PREFIXES: readonly string[] = SPOOFABLE_HEADERS.map(([name]) => name)
  .filter((name) => name.endsWith("*")).map((name) => name.slice(0, -1));

/** True for a header in the table, also when written with underscores, which CGI-like app servers cannot tell from dashes. */
export function isSpoofable(name: string): boolean {
  const dashed = name.toLowerCase().replaceAll("_", "-");
  return EXACT.has(dashed) || PREFIXES.some((prefix) => dashed.startsWith(prefix));
}

/** The fields without what belongs to one connection, and without what its `connection` field names. */
export function withoutHopByHop(fields: readonly Field[]): Field[] {
  const named = new Set(
    fields.filter(([name]) => name === "connection").flatMap(([, value]) =>
      value.split(",").map((token) => token.trim().toLowerCase())
    ),
  );
  return fields.filter(([name]) => !HOP_BY_HOP_HEADERS.has(name) && !named.has(name));
}

/** What of a request's fields (names in lower case) goes on to the app. */
export function forwardedRequestFields(fields: readonly Field[]): Field[] {
  // `expect` is answered here: the body is forwarded as it comes.
  return withoutHopByHop(fields).filter(([name]) => !isSpoofable(name) && name !== "expect");
}
