/**
 * Google's OAuth token endpoint, oauth2.googleapis.com/token: access and ID tokens for keys of service accounts, access tokens for
 * users' refresh tokens.
 *
 * Wire facts: https://developers.google.com/identity/protocols/oauth2/service-account#httprest (assertions),
 * https://cloud.google.com/docs/authentication/get-id-token (`target_audience`), RFC 6749 section 5.2 (errors).
 */
import { createVerify } from "node:crypto";
import { Buffer } from "node:buffer";
import type { AccessTokens } from "./access_tokens.ts";
import { type EmulatedAnswer, type HttpServer, jsonAnswer, startHttpServer } from "./http_server.ts";
import { type Claims, idTokenClaims, type TokenSigner } from "./json_web_token.ts";

/** What the endpoint knows; may be changed while it runs. */
export interface TokenEndpointState {
  /** E-mail address of a service account → the public key that its assertions are checked with, PEM. */
  keys: Record<string, string>;
  /** Refresh token → e-mail address of the user. */
  users: Record<string, string>;
  /** @default 3600 */
  idTokenSeconds: number;
  /** Claims of ID tokens in place of the usual ones. @default {} */
  idTokenClaims: Claims;
}

export interface TokenEndpointOptions extends Partial<TokenEndpointState> {
  accessTokens: AccessTokens;
  /** Google's key for ID tokens. */
  signer: TokenSigner;
}

export interface TokenEndpointEmulator extends HttpServer {
  state: TokenEndpointState;
  /** `token_uri` of credentials files. */
  url: string;
}

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/** An assertion may live this long. */
const LONGEST_SECONDS = 3600;

/** Starts the endpoint on a free port. */
export async function startTokenEndpoint(options: TokenEndpointOptions): Promise<TokenEndpointEmulator> {
  const { accessTokens, signer, ...given } = options;
  const state: TokenEndpointState = { keys: {}, users: {}, idTokenSeconds: 3600, idTokenClaims: {}, ...given };
  const server = await startHttpServer({
    handle({ method, url: { pathname }, body }) {
      if (method !== "POST" || pathname !== "/token") return { status: 404 };
      const form = new URLSearchParams(new TextDecoder().decode(body));
      const grant = form.get("grant_type");
      if (grant === JWT_BEARER) return forAssertion(form.get("assertion") ?? "");
      if (grant === "refresh_token") return forUser(form.get("refresh_token") ?? "");
      return refusal("unsupported_grant_type", `Invalid grant_type: ${grant}`);
    },
  });
  const url = `${server.origin}/token`;

  function forUser(refreshToken: string): EmulatedAnswer {
    const email = state.users[refreshToken];
    if (email === undefined) return refusal("invalid_grant", "Token has been expired or revoked.");
    return accessAnswer(email);
  }

  function forAssertion(assertion: string): EmulatedAnswer {
    const claims = claimsOf(assertion);
    const email = claims?.iss ?? "";
    const key = state.keys[email];
    if (!claims || key === undefined) return refusal("invalid_grant", "Invalid grant: account not found");
    if (!isSignedWith(assertion, key)) return refusal("invalid_grant", "Invalid JWT Signature.");
    const now = Math.floor(Date.now() / 1000);
    const { iat = 0, exp = 0 } = claims;
    if (claims.aud !== url || exp <= now || iat > now + 60 || exp - iat > LONGEST_SECONDS) {
      return refusal("invalid_grant", "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe.");
    }
    const audience = claims["target_audience"];
    if (typeof audience === "string" && audience !== "") {
      const idClaims = { ...idTokenClaims(audience, email, state.idTokenSeconds), ...state.idTokenClaims };
      return jsonAnswer(200, { id_token: signer.sign(idClaims) });
    }
    if (claims["scope"]) return accessAnswer(email);
    return refusal("invalid_scope", "Invalid OAuth scope or ID token audience provided.");
  }

  function accessAnswer(email: string): EmulatedAnswer {
    return jsonAnswer(200, { access_token: accessTokens.issue(email), expires_in: 3599, token_type: "Bearer" });
  }

  return { ...server, state, url };
}

function refusal(error: string, error_description: string): EmulatedAnswer {
  return jsonAnswer(400, { error, error_description });
}

function claimsOf(assertion: string): Claims | undefined {
  try {
    return JSON.parse(Buffer.from(assertion.split(".")[1] ?? "", "base64url").toString());
  } catch {
    return undefined;
  }
}

function isSignedWith(assertion: string, publicKeyPem: string): boolean {
  const [header, payload, signature = ""] = assertion.split(".");
  return createVerify("RSA-SHA256").update(`${header}.${payload}`).verify(publicKeyPem, signature, "base64url");
}
