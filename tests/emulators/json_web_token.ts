/** RS256 JSON Web Tokens (RFC 7515, RFC 7519): what Google's ID tokens and a cluster's service account tokens are. */
import { createPublicKey, createSign, createVerify, randomUUID } from "node:crypto";
import { Buffer } from "node:buffer";
import { type KeyPair, rsaKeyPair } from "./certificates.ts";

/** The claims of a token; times are seconds since 1970. */
export interface Claims {
  iss?: string;
  sub?: string;
  aud?: string | string[];
  exp?: number;
  iat?: number;
  email?: string;
  [claim: string]: unknown;
}

/** The public half of a signer, as a JWKS document (RFC 7517) has it. */
export interface JsonWebKeySet {
  keys: { [member: string]: unknown; kid: string; alg: string; use: string }[];
}

/** Makes tokens with one key of its own. */
export interface TokenSigner {
  sign(claims: Claims): string;
  publicKeyPem: string;
  jwks: JsonWebKeySet;
}

/** The claims of a Google ID token that is made now; the e-mail address only where it was asked for. */
export function idTokenClaims(audience: string, email: string | undefined, lifetimeSeconds: number): Claims {
  const iat = Math.floor(Date.now() / 1000);
  const sub = "104205109876543210987";
  const account = email === undefined ? {} : { email, email_verified: true };
  return {
    aud: audience,
    azp: sub,
    ...account,
    exp: iat + lifetimeSeconds,
    iat,
    iss: "https://accounts.google.com",
    sub,
  };
}

/** A signer with a random key id; with a new key unless one is given. */
export function createSigner({ publicKeyPem, privateKeyPem }: KeyPair = rsaKeyPair()): TokenSigner {
  const kid = randomUUID();
  const jwk = createPublicKey(publicKeyPem).export({ format: "jwk" });
  return {
    publicKeyPem,
    jwks: { keys: [{ ...jwk, kid, alg: "RS256", use: "sig" }] },
    sign: (claims) => {
      const content = `${encode({ alg: "RS256", kid, typ: "JWT" })}.${encode(claims)}`;
      return `${content}.${createSign("sha256").update(content).sign(privateKeyPem, "base64url")}`;
    },
  };
}

/** The claims of `token` when a key of `jwks` signed it; undefined otherwise. Reads neither times nor audiences. */
export function verifySignature(token: string, jwks: JsonWebKeySet): Claims | undefined {
  const [header, payload, signature, ...rest] = token.split(".");
  if (!header || !payload || !signature || rest.length > 0) return undefined;
  const { kid, alg } = decode(header) ?? {};
  const key = jwks.keys.find((candidate) => candidate.kid === kid);
  if (alg !== "RS256" || !key) return undefined;
  const publicKey = createPublicKey({ key, format: "jwk" });
  const verifier = createVerify("sha256").update(`${header}.${payload}`);
  return verifier.verify(publicKey, Buffer.from(signature, "base64url")) ? decode(payload) : undefined;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
