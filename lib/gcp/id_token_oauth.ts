import { Problem } from "../base/errors.ts";
import { type Fetch, request } from "../base/http.ts";
import { parseAs } from "../base/json.ts";
import type { Secret } from "../base/secret.ts";
import { assertionOf, type ServiceAccountKey } from "./oauth.ts";
import * as v from "valibot";

/** Where and how ID tokens are asked for. */
export interface IdTokenRequestOptions {
  fetch?: Fetch | undefined;
  now?: (() => number) | undefined;
  signal?: AbortSignal | undefined;
  /** What the reader can do when the account is refused. */
  fix: string;
}

const text = v.pipe(v.string(), v.minLength(1));
const Exchanged = v.object({ id_token: text });
const Generated = v.object({ token: text });

/**
 * The ID token of a service account's key: an assertion with `target_audience` in place of a scope,
 * https://cloud.google.com/docs/authentication/get-id-token#service-to-service.
 */
export async function serviceAccountIdToken(
  key: v.InferOutput<typeof ServiceAccountKey>,
  audience: string,
  options: IdTokenRequestOptions,
): Promise<string> {
  const what = `get an ID token for ${key.client_email}`;
  if (!URL.canParse(key.token_uri)) throw new Problem({ tried: what, got: "token_uri is no URL", fix: options.fix });
  const answer = await request(key.token_uri, {
    what,
    method: "POST",
    form: {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: assertionOf(key, { target_audience: audience }, options),
    },
    fetch: options.fetch,
    signal: options.signal,
    fix: (status) => status < 500 ? options.fix : undefined,
  });
  return parseAs(Exchanged, answer.text, what).id_token;
}

/**
 * The ID token of an account that the owner of `accessToken` may act for,
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken.
 * @param target `url` as credentials files have it: `…/serviceAccounts/EMAIL:generateAccessToken`
 */
export async function impersonatedIdToken(
  accessToken: Secret,
  target: { url: string; delegates: readonly string[] },
  audience: string,
  options: IdTokenRequestOptions,
): Promise<string> {
  const email = impersonatedEmail(target.url);
  const what = `get an ID token for ${email ?? "an account"} by impersonation`;
  if (!email) {
    throw new Problem({ tried: what, got: "service_account_impersonation_url names no account", fix: options.fix });
  }
  const answer = await request(target.url.replace(/:generateAccessToken$/, ":generateIdToken"), {
    what,
    method: "POST",
    json: {
      audience,
      includeEmail: true, // Cloud Run's front end and its logs go by it
      ...(target.delegates.length > 0 ? { delegates: target.delegates } : {}),
    },
    headers: { authorization: `Bearer ${accessToken.reveal()}` },
    fetch: options.fetch,
    signal: options.signal,
    fix: (status, body) => status < 500 ? fixFor(status, body, email, options.fix) : undefined,
  });
  return parseAs(Generated, answer.text, what).token;
}

function fixFor(status: number, body: string, email: string, fallback: string): string {
  if (status === 403 && /SERVICE_DISABLED|has not been used|is disabled/.test(body)) {
    const project = /@([^.]+)\.iam\.gserviceaccount\.com$/.exec(email)?.[1] ?? "PROJECT";
    return `gcloud services enable iamcredentials.googleapis.com --project ${project}`;
  }
  if (status === 403 || status === 404) {
    return "grant iam.serviceAccounts.getOpenIdToken, if the account is there: gcloud iam service-accounts " +
      `add-iam-policy-binding ${email} --member MEMBER --role roles/iam.serviceAccountOpenIdTokenCreator`;
  }
  return fallback;
}

function impersonatedEmail(url: string): string | undefined {
  return /\/serviceAccounts\/([^/]+):generateAccessToken$/.exec(url)?.[1];
}
