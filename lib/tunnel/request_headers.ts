import type { Field } from "../http2/mod.ts";

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

/** What two servers must agree on: it is never taken out because a `connection` field names it, or added by a look-alike. */
const VITAL_HEADERS: ReadonlySet<string> = new Set(["host", "content-length", "authorization", "cookie", "forwarded"]);

/** Fields that have no effect, or a dangerous one, after the body (RFC 9110 section 6.5.1). */
const NO_TRAILERS: ReadonlySet<string> = new Set([
  ...VITAL_HEADERS,
  "set-cookie",
  "www-authenticate",
  "content-type",
  "content-encoding",
  "content-range",
  "cache-control",
  "max-forwards",
  "expect",
  "range",
  "trailer",
]);

/** CGI-like app servers tell no sign from another: `a_b` and `a.b` may be `a-b` to them. */
function dashedName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "-");
}

/** True for a header in the table, also when written with other signs, which CGI-like app servers cannot tell from dashes. */
export function isSpoofable(name: string): boolean {
  const dashed = dashedName(name);
  return EXACT.has(dashed) || PREFIXES.some((prefix) => dashed.startsWith(prefix));
}

/** The fields without what belongs to one connection, and without what its `connection` field names. */
export function withoutHopByHop(fields: readonly Field[]): Field[] {
  const named = new Set(
    fields.filter(([name]) => name === "connection").flatMap(([, value]) =>
      value.split(",").map((token) => token.trim().toLowerCase())
    ),
  );
  const isVital = (name: string) => VITAL_HEADERS.has(name) || name.startsWith("x-forwarded-");
  return fields.filter(([name]) => !HOP_BY_HOP_HEADERS.has(name) && (!named.has(name) || isVital(name)));
}

/** What of a request's fields (names in lower case) goes on to the app; who forwards adds the host and the body's length. */
export function forwardedRequestFields(fields: readonly Field[]): Field[] {
  // `expect` is answered here: the body is forwarded as it comes.
  return withoutHopByHop(fields).filter(([name]) =>
    !isSpoofable(name) && !isLookAlike(name) && name !== "expect" && name !== "content-length" && name !== "host"
  );
}

/** What of a request's trailers goes on: an app that adds them to the headers must not come to believe more by them. */
export function forwardedRequestTrailers(fields: readonly Field[]): Field[] {
  return forwardedRequestFields(fields).filter(([name]) => !NO_TRAILERS.has(name));
}

/** What of an answer's trailers goes back. */
export function answerTrailers(fields: readonly Field[]): Field[] {
  return withoutHopByHop(fields).filter(([name]) => !NO_TRAILERS.has(name));
}

/** `content_length` and its like. */
function isLookAlike(name: string): boolean {
  const dashed = dashedName(name);
  return dashed !== name && (VITAL_HEADERS.has(dashed) || HOP_BY_HOP_HEADERS.has(dashed));
}
