import { Problem, reasonOf } from "../base/errors.ts";
import type { Fetch } from "../base/http.ts";
import { redact, registerSecret, Secret } from "../base/secret.ts";
import type { AccessToken } from "./metadata.ts";
import {
  AuthorizedUser,
  credentialsOf,
  impersonatedToken,
  type OAuthOptions,
  refreshedToken,
  ServiceAccountKey,
  serviceAccountToken,
} from "./oauth.ts";

/** A credentials file, read: what it is, and how it gives a token. */
export interface AdcFile {
  type: string;
  fetchToken: () => Promise<AccessToken>;
}

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
/** google-auth-library itself waits without an end. */
const LIBRARY_LIMIT_MS = 15_000;
/** An account that is impersonated may be the way to the next, but not for ever. */
const DEEPEST = 4;

/**
 * Application default credentials of any kind, https://cloud.google.com/docs/authentication/application-default-credentials.
 * Keys, users and impersonation are a request or two; only workload identity federation, which has many forms, loads
 * google-auth-library.
 * @throws {Problem} no such file, or not whole
 */
export async function readAdcFile(
  path: string,
  options: { fetch?: Fetch | undefined; now?: (() => number) | undefined; limitMs?: number | undefined } = {},
): Promise<AdcFile> {
  let content: unknown;
  try {
    content = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw new Problem({
      tried: `read Google credentials from ${path}`,
      got: error instanceof SyntaxError ? "a file that is no JSON" : reasonOf(error),
      fix: "set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run: gcloud auth application-default login",
    });
  }
  registerSecretsOf(content);
  return credentialsFrom(content, path, options, 0);
}

function credentialsFrom(
  content: unknown,
  path: string,
  options: Parameters<typeof readAdcFile>[1] & object,
  depth: number,
): AdcFile {
  const members = (typeof content === "object" ? content ?? {} : {}) as Record<string, unknown>;
  const type = typeof members["type"] === "string" ? members["type"] : "";
  const tried = `read Google credentials from ${path}${type ? ` (${type})` : ""}`;
  const fix = type === "authorized_user"
    ? "gcloud auth application-default login"
    : "check that the file is whole and its account is enabled";
  const oauth: OAuthOptions = { ...options, fix };
  if (type === "service_account") {
    const key = credentialsOf(ServiceAccountKey, content, tried, fix);
    return { type, fetchToken: () => serviceAccountToken(key, oauth) };
  }
  if (type === "authorized_user") {
    const user = credentialsOf(AuthorizedUser, content, tried, fix);
    return { type, fetchToken: () => refreshedToken(user, oauth) };
  }
  if (type === "impersonated_service_account") {
    const url = members["service_account_impersonation_url"];
    if (typeof url !== "string" || !URL.canParse(url) || !members["source_credentials"] || depth >= DEEPEST) {
      throw new Problem({ tried, got: "no service_account_impersonation_url with source_credentials", fix });
    }
    const delegates = Array.isArray(members["delegates"]) ? members["delegates"].map(String) : [];
    const source = credentialsFrom(members["source_credentials"], path, options, depth + 1);
    return {
      type,
      fetchToken: async () => await impersonatedToken(await source.fetchToken(), { url, delegates }, oauth),
    };
  }
  if (type === "external_account" || type === "external_account_authorized_user") {
    return { type, fetchToken: federated(members, tried, fix, options.limitMs ?? LIBRARY_LIMIT_MS) };
  }
  throw new Problem({
    tried,
    got: type ? "a type that is not known" : "a file without a type",
    fix: "use service_account, authorized_user, impersonated_service_account, external_account or " +
      "external_account_authorized_user",
  });
}

function federated(credentials: Record<string, unknown>, tried: string, fix: string, limitMs: number) {
  type Client = { getAccessToken(): Promise<{ token?: string | null }>; credentials: { expiry_date?: number | null } };
  let client: Promise<Client> | undefined;
  const load = async (): Promise<Client> => {
    const { GoogleAuth } = await import("google-auth-library");
    return await new GoogleAuth({ credentials, scopes: [SCOPE] }).getClient();
  };
  return async (): Promise<AccessToken> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
    });
    try {
      const found = await Promise.race([client ??= load(), tooLate]);
      const { token } = await Promise.race([found.getAccessToken(), tooLate]);
      if (!token) throw new Error("an answer without a token");
      // Some of its clients keep to themselves when a token ends: they are asked each time, and answer from their own cache.
      return { value: new Secret(token), expiresAt: found.credentials.expiry_date ?? 0 };
    } catch (error) {
      client = undefined;
      throw new Problem({
        tried: tried.replace("read Google credentials", "get a Google access token"),
        got: redact(reasonOf(error)),
        fix,
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  };
}

/** Whatever a file holds under these names, at any depth, is never shown. */
function registerSecretsOf(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (typeof member !== "string") registerSecretsOf(member);
    else if (/^(private_key|refresh_token|client_secret|access_token|id_token|passphrase)$/.test(key)) {
      registerSecret(member);
    }
  }
}
