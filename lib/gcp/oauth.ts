import { createSign } from "node:crypto";
import { Problem, reasonOf } from "../base/errors.ts";
import { type Fetch, request } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import { Secret } from "../base/secret.ts";
import type { AccessToken } from "./metadata.ts";
import * as v from "valibot";

/** Where tokens are asked for and by which clock. */
export interface OAuthOptions {
  fetch?: Fetch | undefined;
  now?: (() => number) | undefined;
  /** What the reader can do when the account is refused. */
  fix: string;
}

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_URL = "https://oauth2.googleapis.com/token";
const text = v.pipe(v.string(), v.minLength(1));

/** The members that are read of `type: service_account`, https://google.aip.dev/auth/4112. */
export const ServiceAccountKey = v.object({
  client_email: text,
  private_key: text,
  private_key_id: v.optional(v.string()),
  token_uri: v.optional(text, TOKEN_URL),
});

/** Of `type: authorized_user`, https://google.aip.dev/auth/4113. */
export const AuthorizedUser = v.object({
  client_id: text,
  client_secret: text,
  refresh_token: text,
  token_uri: v.optional(text, TOKEN_URL),
});

const Answer = v.object({ access_token: text, expires_in: v.number() });
const Impersonated = v.object({ accessToken: text, expireTime: text });

/** A token for a service account's key: its assertion is exchanged (RFC 7523). */
export async function serviceAccountToken(
  key: v.InferOutput<typeof ServiceAccountKey>,
  options: OAuthOptions,
): Promise<AccessToken> {
  const form = {
    grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion: assertionOf(key, { scope: SCOPE }, options),
  };
  return await askFor(`get an access token for ${key.client_email}`, key.token_uri, form, options);
}

/** A JWT signed with the key, by which its owner asks for a token; `claims` say for which. @throws {Problem} no RSA key */
export function assertionOf(
  key: v.InferOutput<typeof ServiceAccountKey>,
  claims: Readonly<Record<string, string>>,
  options: { now?: (() => number) | undefined; fix: string },
): string {
  const issuedAt = Math.floor((options.now ?? Date.now)() / 1_000);
  const encode = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  const all = { iss: key.client_email, ...claims, aud: key.token_uri, iat: issuedAt, exp: issuedAt + 3_600 };
  const header = { alg: "RS256", typ: "JWT", ...(key.private_key_id ? { kid: key.private_key_id } : {}) };
  const content = `${encode(header)}.${encode(all)}`;
  try {
    const signature = createSign("RSA-SHA256").update(content).sign(key.private_key, "base64url");
    return new Secret(`${content}.${signature}`).reveal();
  } catch (error) {
    throw new Problem({
      tried: `sign with the key of ${key.client_email}`,
      got: "private_key is no RSA key in PEM",
      fix: options.fix,
      cause: error,
    });
  }
}

/** A token for a person: what `gcloud auth application-default login` has left behind. */
export async function refreshedToken(
  user: v.InferOutput<typeof AuthorizedUser>,
  options: OAuthOptions,
): Promise<AccessToken> {
  const { client_id, client_secret, refresh_token, token_uri } = user;
  const form = { grant_type: "refresh_token", client_id, client_secret, refresh_token };
  return await askFor("refresh the access token of a user", token_uri, form, options);
}

/** A token of another account that the owner of `source` may act for. @param url `…/serviceAccounts/EMAIL:generateAccessToken` */
export async function impersonatedToken(
  source: Secret,
  target: { url: string; delegates: readonly string[] },
  options: OAuthOptions,
): Promise<AccessToken> {
  const email = /([^/]+):generateAccessToken$/.exec(target.url)?.[1] ?? "ACCOUNT";
  const what = `get an access token for ${email} by impersonation`;
  const answer = await request(target.url, {
    what,
    method: "POST",
    json: { scope: [SCOPE], lifetime: "3600s", delegates: target.delegates },
    headers: { authorization: `Bearer ${source.reveal()}` },
    fetch: options.fetch,
    fix: (status) =>
      status === 403
        ? `grant iam.serviceAccounts.getAccessToken: gcloud iam service-accounts add-iam-policy-binding ${email} ` +
          "--member MEMBER --role roles/iam.serviceAccountTokenCreator"
        : options.fix,
  });
  const { accessToken, expireTime } = parseAs(Impersonated, answer.text, what);
  const expiresAt = Date.parse(expireTime);
  if (Number.isNaN(expiresAt)) throw new Problem({ tried: what, got: "an answer whose expireTime is no time" });
  return { value: new Secret(accessToken), expiresAt };
}

async function askFor(
  what: string,
  url: string,
  form: Record<string, string>,
  options: OAuthOptions,
): Promise<AccessToken> {
  if (!URL.canParse(url)) throw new Problem({ tried: what, got: "token_uri is no URL", fix: options.fix });
  const answer = await request(url, {
    what,
    method: "POST",
    form,
    fetch: options.fetch,
    fix: (status) => status < 500 ? options.fix : undefined,
  });
  const { access_token, expires_in } = parseAs(Answer, answer.text, what);
  const now = options.now ?? Date.now;
  return { value: new Secret(access_token), expiresAt: now() + expires_in * 1_000 };
}

/** Reads `value` as `schema`. @throws {Problem} which member is missing, and no value */
export function credentialsOf<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  tried: string,
  fix: string,
): v.InferOutput<S> {
  try {
    return parseAs(schema, JSON.stringify(value), tried, fix);
  } catch (error) {
    const got = reasonOf(error).replace(`${tried}: an answer`, "a file");
    throw new Problem({ tried, got, fix });
  }
}
