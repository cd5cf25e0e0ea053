import { decodeBase64Url } from "../base/base64.ts";
import { Problem } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import * as v from "valibot";

/** A Google ID token: a JWT that says who calls, made for one receiver. */
export interface IdToken {
  value: Secret;
  /** Milliseconds since 1970 by this machine's clock, read from the token. */
  issuedAt: number;
  /** As {@link issuedAt}. */
  expiresAt: number;
}

/** Who gives ID tokens, and on whose behalf. */
export interface IdTokenSource {
  /** For people: `metadata server 169.254.169.254`, `/path/key.json (service_account)`. */
  readonly origin: string;
  /**
   * A token that is made for `audience` and good now; asked for each time, nothing is cached.
   * @throws {Problem} none can be had, or another than was asked for
   */
  idToken(audience: string, options?: { signal?: AbortSignal | undefined }): Promise<IdToken>;
}

const Claims = v.object({ aud: v.string(), iat: v.number(), exp: v.number() });
/** Three parts of base64url, RFC 7515: nothing else may get into a header. */
const FORM = /^[\w-]+\.([\w-]+)\.[\w-]+$/;
/** Google's have about 1 kB; Cloud Run's front end takes no more than 32 kB of headers in all. */
const LONGEST = 16_384;

/**
 * Reads a token's times and checks that it is what was asked for. Its signature is the receiver's to check: it came straight from
 * its issuer.
 * @param what what was tried, for errors
 * @throws {Problem} no JWT, made for somebody else, or ended
 */
export function readIdToken(
  text: string,
  audience: string,
  what: string,
  now: () => number = Date.now,
): IdToken {
  const token = text.trim();
  const payload = token.length > LONGEST ? undefined : FORM.exec(token)?.[1];
  const wrong = (got: string, fix?: string) => new Problem({ tried: what, got, fix });
  if (payload === undefined) throw wrong("an answer that is no ID token");
  const value = new Secret(token);
  const claims = claimsOf(payload);
  if (!claims) throw wrong("an ID token whose claims cannot be read");
  if (claims.aud !== audience) throw wrong("an ID token that is made for another audience");
  // Where this clock is behind, the token's end is as far from now as the token is long, and no farther.
  const behindMs = Math.max(0, claims.iat * 1_000 - now());
  const expiresAt = claims.exp * 1_000 - behindMs;
  if (expiresAt <= now()) throw wrong("an ID token that has ended", "check this machine's clock");
  return { value, issuedAt: claims.iat * 1_000 - behindMs, expiresAt };
}

function claimsOf(payload: string): v.InferOutput<typeof Claims> | undefined {
  try {
    const result = v.safeParse(Claims, JSON.parse(decodeBase64Url(payload)));
    return result.success ? result.output : undefined;
  } catch {
    return undefined; // no base64url, no UTF-8 or no JSON
  }
}
